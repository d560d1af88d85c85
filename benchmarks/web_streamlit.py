"""The page of benchmarks/web.py in Streamlit: `streamlit run web_streamlit.py`. Its venv is made by the benchmark."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from web_data import ALL, ENGINES, newest, open_store, trend, trend_figure

st: Any = import_module("streamlit")
figures: Any = import_module("plotly.graph_objects")

st.set_page_config(layout="wide")
st.title("Trends")
engine = st.radio("engine", (ALL, *ENGINES), horizontal=True)
store = st.cache_resource(open_store)()
rows, total = newest(store, engine)
st.plotly_chart(figures.Figure(trend_figure(trend(store, rows["series_id"][0].as_py()))))
st.dataframe(rows.drop_columns(["series_id", "total"]).to_pandas())
st.markdown(f"{total} series of {engine}")
