"""Price lists: known ones by their header, any other by a mapping; nothing is converted, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from assay.catalog.hardware.prices import PriceKind, Terms, choose_price
from assay.core.errors import AssayError, UnknownNameError, UsageError
from assay.importers.base import ImportFileError
from assay.importers.prices.read import PriceList, find_price_format, read_price_list
from assay.importers.tables.mapping_yaml import MappingError

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
AWS = "instance,gpu,gpu_count,region,on_demand_usd_h,reserved_usd_h,spot_usd_h"
Write = Callable[[str, str], Path]
MAPPING = """
kind: cloud
columns: {provider: who, device: what, count: n, on_demand: usd an hour, currency: money}
values: {region: north}
"""
QUOTES = "who,what,n,usd an hour,money\nA Cloud,RTX 4090,2,$1.40,USD\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def read(write: Write, rows: str, name: str = "aws_2025-11-30.csv") -> PriceList:
    return read_price_list(write(name, f"{AWS}\n{rows}\n"))


def test_each_amount_of_a_row_is_a_price(write: Write) -> None:
    found = read(write, "p4d.24xlarge,NVIDIA A100,8.0,us-east-1,21.9576,16.2,9.8")
    assert [(one.terms, one.usd) for one in found.prices] == [
        (Terms.ON_DEMAND, 21.9576), (Terms.RESERVED, 16.2), (Terms.SPOT, 9.8),
    ]  # fmt: skip
    first = found.prices[0]
    assert (first.hw_id, first.n_devices, first.per_device_usd_h) == ("nvidia-a100-sxm4-40gb", 8, 21.9576 / 8)
    assert (first.provider, first.region, first.as_of) == ("AWS", "us-east-1", "2025-11-30")
    assert (first.source, first.source_row, found.format) == ("aws_2025-11-30.csv", 1, "aws-instances")


def test_the_provider_s_own_table_goes_before_the_words_of_a_list(write: Write) -> None:
    rows = "g5g.xlarge,ARM Mali-G78MP12,1.0,us-east-1,0.42,,\ng6f.2xlarge,NVIDIA L40,0.25,us-east-1,0.5,,"
    found = read(write, rows)
    assert [(one.hw_id, one.n_devices) for one in found.prices] == [("nvidia-t4g", 1), ("nvidia-l4", None)]
    assert found.corrected == ("g5g.xlarge", "g6f.2xlarge")
    assert choose_price(found.prices, "nvidia-l4") is None, "a share of a device is no price of one"


def test_what_means_several_devices_has_none(write: Write) -> None:
    found = read_price_list(write("list.csv", "GPU,price\n2 x V100,6.12\n1 x A10,2.448\n"), as_of="2024-06")
    assert [(one.hw_id, one.n_devices, one.usd) for one in found.prices] == [
        (None, 2, 6.12), ("nvidia-a10", 1, 2.448),
    ]  # fmt: skip
    assert found.unresolved == {"2 x V100": 1}


def test_the_name_of_a_machine_may_say_the_form_that_the_device_leaves_out(write: Write) -> None:
    header = "provider,instance_type,accelerator,accelerator_count,on_demand_usd_h,spot_usd_h,region"
    rows = "somebody,big_8x_a100_80gb_sxm4,A100-80GB,8,22.32,,all\nsomebody,big_8x,A100-80GB,8,22,,all"
    found = read_price_list(write("list_2025-03.csv", f"{header}\n{rows}\n"))
    assert [one.hw_id for one in found.prices] == ["nvidia-a100-sxm4-80gb", None]
    assert {one.as_of for one in found.prices} == {"2025-03"}


def test_rows_that_offer_nothing_are_refused_with_the_reason(write: Write) -> None:
    rows = [
        "g5.xlarge,NVIDIA A10G,1,us-east-1,,,",
        "m5.large,,0,us-east-1,0.1,,",
        ",Unknown,1,us-east-1,1,,",
        "g5.xlarge,NVIDIA A10G,1,us-east-1,much,,",
        "g5.xlarge,NVIDIA A10G,1,us-east-1,0,,",
        "g5.xlarge,NVIDIA A10G,1,us-east-1,-1,,",
        AWS,
        "g5.xlarge,NVIDIA A10G,minus,us-east-1,1,,",
        "g5.xlarge,NVIDIA A10G,1,us-east-1,1.006,,",
        "g5.xlarge,NVIDIA A10G,1,us-east-1,1.006,,",
    ]
    found = read(write, "\n".join(rows))
    assert [one.place for one in found.refused] == [f"row {number}" for number in range(1, 9)]
    said = " ".join(one.error for one in found.refused)
    for words in ("nothing is offered", "without an accelerator", "neither a device nor", "not a number", "header"):
        assert words in said
    assert (found.rows, len(found.prices), found.repeated) == (10, 1, 1)


def test_a_list_that_does_not_say_its_date_is_not_taken_until_somebody_does(write: Write) -> None:
    path = write("list.csv", "GPU,price\n1 x A10,2.448\n")
    with pytest.raises(UsageError, match="when its prices were asked"):
        read_price_list(path)
    with pytest.raises(AssayError, match="is not understood"):
        read_price_list(path, as_of="last week")
    assert read_price_list(path, as_of="2024", provider="X").prices[0].label == "X, on demand, 2024"


def test_a_mapping_says_what_columns_mean(write: Write) -> None:
    quotes, mapping = write("quotes.csv", QUOTES), write("quotes.yaml", MAPPING)
    found = read_price_list(quotes, mapping=mapping, as_of="2026-11-23")
    (one,) = found.prices
    assert (one.hw_id, one.n_devices, one.usd, one.region) == ("nvidia-geforce-rtx-4090", 2, 1.4, "north")
    assert found.settings.startswith("date=2026-11-23, mapping=")


def test_amounts_are_not_converted(write: Write) -> None:
    mapping = write("quotes.yaml", MAPPING)
    found = read_price_list(write("quotes_2026.csv", QUOTES.replace("USD", "EUR")), mapping=mapping, as_of="2026")
    assert found.prices == ()
    assert "amounts are not converted" in found.refused[0].error


def test_what_a_device_costs_to_buy(write: Write) -> None:
    text = "kind: street\ncolumns: {device: what, price: usd, as_of: day, provider: shop}\n"
    rows = "what,usd,day,shop\nRTX 4090,1899,2024-03-01T10:00,A Shop\nRTX 4090,1799,never,A Shop\n"
    found = read_price_list(write("shops.csv", rows), mapping=write("shops.yaml", text))
    (one,) = found.prices
    assert (one.kind, one.per_device_usd, one.per_device_usd_h, one.as_of) == (
        PriceKind.STREET, 1899, None, "2024-03-01",
    )  # fmt: skip
    assert "'never' is not understood" in found.refused[0].error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: cloudy", "'kind' is 'cloudy'. Did you mean 'cloud'?"),
        ("columns: {device: what}", "no column is an amount"),
        ("columns: {on_demand: usd}", "what is priced"),
        ("columns: {device: what, price: usd}", "'price' is no amount of a cloud price"),
        ("kind: street\ncolumns: {device: what, spot: usd}", "'spot' is no amount of a street price"),
        ("columns: {device: what, on_demand: usd, colour: red}", "unknown thing 'colour'"),
        ("columns: {device: what, on_demand: [usd]}", "is no word"),
        ("columns: what", "expected names of things"),
        ("rows: 3", "unknown key 'rows'"),
        ("amounts_are_for: us", "Expected one of: machine, device"),
        ("just words", "expected the keys"),
        ("columns: {device: what\n", "not YAML"),
    ],
)
def test_faults_of_a_mapping_are_said_with_their_place(write: Write, text: str, said: str) -> None:
    mapping = write("m.yaml", text)
    with pytest.raises(MappingError) as error:
        read_price_list(write("q.csv", QUOTES), mapping=mapping, as_of="2026")
    assert said in str(error.value)
    assert "m.yaml" in str(error.value)


def test_what_is_no_price_list_is_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="is not a file"):
        read_price_list(tmp_path / "nothing.csv")
    with pytest.raises(ImportFileError, match="is no price list"):
        read_price_list(write("other.csv", "a,b\n1,2\n"), as_of="2026")
    with pytest.raises(ImportFileError, match="is no price list"):
        read_price_list(write("wide.csv", "GPU,price,ms\nA10,1,2\n"), as_of="2026")
    with pytest.raises(ImportFileError, match="lacks the columns"):
        read_price_list(write("q.csv", QUOTES), format_name="aws-instances", as_of="2026")
    mapping = write("m.yaml", MAPPING)
    with pytest.raises(ImportFileError, match="lacks the columns usd an hour"):
        read_price_list(write("q2.csv", "who,what,n,money\n"), mapping=mapping, as_of="2026")
    with pytest.raises(UnknownNameError):
        read_price_list(write("q.csv", QUOTES), format_name="aws", as_of="2026")


@pytest.mark.parametrize(
    ("file", "as_of", "name", "counts"),
    [
        # rows, prices, refused, repeated, prices of a known device
        ("prices/aws_gpu_instances_2025-11-30.csv", None, "aws-instances", (1157, 1960, 0, 0, 1860)),
        ("prices/cloud-gpus_fsdl.csv", "2023", "cloud-gpus", (207, 277, 0, 9, 189)),
        ("prices/skypilot_excerpt.csv", "2025", "skypilot-table", (19, 22, 1, 0, 22)),
        ("llm_pilot/prices.csv", "2024-06", "gpu-price", (14, 14, 0, 0, 5)),
    ],
)
def test_real_lists(file: str, as_of: str | None, name: str, counts: tuple[int, ...]) -> None:
    path = DATA / file
    if not path.exists():
        pytest.skip("the price lists of others are not here")
    assert find_price_format(path) == name
    found = read_price_list(path, as_of=as_of)
    resolved = sum(one.hw_id is not None for one in found.prices)
    assert (found.rows, len(found.prices), len(found.refused), found.repeated, resolved) == counts
