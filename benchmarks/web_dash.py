"""The page of benchmarks/web.py in Dash: `python web_dash.py PORT`. Its venv is made by the benchmark."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from web_data import ALL, ENGINES, newest, open_store, trend, trend_figure

dash: Any = import_module("dash")
html, dcc, dash_table = dash.html, dash.dcc, dash.dash_table

app = dash.Dash("trends", title="Trends")
store = open_store()
app.layout = html.Div(
    [
        html.H1("Trends"),
        dcc.RadioItems([ALL, *ENGINES], ALL, id="engine", inline=True),
        dcc.Graph(id="trend"),
        dash_table.DataTable(id="rows"),
        html.P(id="total"),
    ]
)


@app.callback(  # type: ignore[untyped-decorator, unused-ignore]
    dash.Output("trend", "figure"), dash.Output("rows", "data"), dash.Output("total", "children"),
    dash.Input("engine", "value"),
)  # fmt: skip
def show(engine: str) -> tuple[Any, Any, str]:
    """Draw everything for one filter."""
    rows, total = newest(store, engine)
    figure = trend_figure(trend(store, rows["series_id"][0].as_py()))
    content = rows.drop_columns(["series_id", "total"]).to_pylist()
    return (
        figure,
        [row | {"measured_at": row["measured_at"].isoformat()} for row in content],
        f"{total} series of {engine}",
    )


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), debug=False)
