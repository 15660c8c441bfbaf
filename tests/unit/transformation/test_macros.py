"""Macros at the edges of what the source's types allow, computed by DuckDB and compared with Python's exact decimals."""

from __future__ import annotations

import random
import re
from datetime import datetime, time
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
import yaml

from tests.unit.transformation.macro import answers, render
from transformation.project import files_of

EDGES = ["0", "0.0001", "-0.0001", "0.125", "0.01", "1", "2024.9945", "2171.2942", "99999999999999.9999"]


def decimals(count: int, digits: int, places: int, seed: int) -> list[Decimal]:
    """Edges first, then decimals of any size with so many places."""
    source = random.Random(seed)
    found = [Decimal(edge) for edge in EDGES]
    while len(found) < count:
        size = source.randint(1, digits)
        found.append(Decimal(source.randint(-(10**size), 10**size)).scaleb(-places))
    source.shuffle(found)
    return found


def rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def about_half() -> list[tuple[int, Decimal, Decimal]]:
    """A sign, an odd number, and one or nearly one: odd / 2 is half, or the last digit of an amount away from it."""
    source = random.Random(11)
    return [
        (
            sign,
            Decimal(2 * source.randint(0, 10 ** source.randint(0, 9)) + 1),
            1 + away * Decimal("0.00000001"),
        )
        for sign in (1, -1)
        for away in (-1, 0, 1)
        for _ in range(20)
    ]


def test_line_total_is_exact_for_every_price_discount_and_quantity() -> None:
    prices = decimals(600, 18, 4, 1)
    discounts = [each for each in decimals(2000, 9, 4, 2) if abs(each) < 10**5][:600]
    quantities = [-32768, 32767, 0, 1, *(random.Random(3).randint(-32768, 32767) for _ in range(596))]
    rows = list(zip(prices, discounts, quantities, strict=True))
    gross = "cast({{ product(['a', 'q']) }} as decimal(38, 8))"
    less = "cast({{ product(['a', 'd', 'q']) }} as decimal(38, 8))"
    columns = "a decimal(18, 4), d decimal(18, 4), q smallint"
    found = answers(f"cast({gross} - {less} as decimal(38, 8))", columns, rows)
    with localcontext(prec=60):
        for (price, discount, quantity), total in zip(rows, found, strict=True):
            assert total == price * (1 - discount) * quantity, (price, discount, quantity)


@pytest.mark.parametrize("places", [4, 6])
def test_division_is_rounded_once_and_fits_any_ratio_of_two_amounts(places: int) -> None:
    above, below = decimals(600, 31, 8, 4), decimals(600, 22, 8, 5)
    rows = [*zip(above, below, strict=True), (Decimal("-2171.2842"), Decimal("0.01"))]
    rows += [(sign * odd, 2 * unit * 10**places) for sign, odd, unit in about_half()]
    found = answers(f"{{{{ divide('a', 'b', {places}) }}}}", "a decimal(38, 8), b decimal(38, 8)", rows)
    with localcontext(prec=80):
        for (numerator, denominator), ratio in zip(rows, found, strict=True):
            expected = None if denominator == 0 else rounded(numerator / denominator, places)
            assert ratio == expected, (numerator, denominator)


def test_amounts_at_the_ends_of_their_types_are_divided() -> None:
    end = Decimal(10) ** 30 - Decimal("0.00000001")
    rows = [
        (-end, end),
        (end, -3 * Decimal(10) ** 29),
        (end - 1, end),
        (Decimal(10) ** 24, 3 * Decimal(10) ** 24),
    ]
    ratios = answers("{{ divide('a', 'b', 6) }}", "a decimal(38, 8), b decimal(38, 8)", rows)
    assert list(ratios) == [-1, Decimal("-3.333333"), 1, Decimal("0.333333")]


def test_an_amount_in_dollars_is_exact_for_a_rate_of_ten_decimals() -> None:
    rows = [
        (Decimal("1000000000.0000"), Decimal("0.7912345678")),
        (Decimal("-1234567.8900"), Decimal("147.9876543219")),
        (Decimal("99999999999999.9999") * 2**31, Decimal("0.0000000001")),
        (Decimal("0.0001"), Decimal("1")),
        (Decimal("1"), None),
    ]
    columns = "a decimal(38, 4), r decimal(28, 10)"
    with localcontext(prec=60):
        wanted = [None if rate is None else rounded(amount / rate, 4) for amount, rate in rows]
    assert list(answers("{{ in_usd('a', 'r') }}", columns, rows)) == wanted


def test_time_of_day_of_a_timestamp_outside_the_calendar_is_null() -> None:
    rows = [
        ("2024-02-03 04:05:06.007",),
        ("infinity",),
        ("-infinity",),
        ("0044-03-15 (BC) 12:00:00",),
        (None,),
    ]
    found = list(answers("{{ time_of_day('moment') }}", "moment timestamp", rows))
    assert found == [time(4, 5, 6, 7000), None, None, None, None]


@pytest.mark.parametrize("weights", ["int", "bigint", "decimal(18, 4)", "decimal(38, 8)"])
def test_weights_may_be_of_any_type(weights: str) -> None:
    most = Decimal("99999999999999.9999")
    rows = [
        (Decimal("9731238.6935"), 846320900, 993163426),
        (Decimal("-0.0001"), 1, 2),
        (most, 10**9, 2 * 10**9),
    ]
    columns = f"a decimal(18, 4), w {weights}, t {weights}"
    found = list(answers("{{ share_of('a', 'w', 't') }}", columns, rows))
    assert found == [rounded(amount * weight / total, 4) for amount, weight, total in rows]


def test_snowflakes_form_divides_alike() -> None:
    """In DuckDB, whose `/` is a float: exact up to 15 digits."""
    above, below = (decimals(400, 9, 4, seed)[:200] for seed in (9, 10))
    rows = [
        (one, other) for one, other in zip(above, below, strict=True) if abs(other) > 1 and abs(one) < 10**9
    ]
    assert len(rows) > 50
    columns = "a decimal(38, 4), b decimal(38, 4)"
    for macro in ("divide('a', 'b')", "share_of('a', 'abs(b)', 'abs(b) + abs(a)')"):
        expression = f"{{{{ {macro} }}}}"
        ours = list(answers(expression, columns, rows))
        assert list(answers(expression, columns, rows, dialect="snowflake")) == ours


def test_division_of_counts_needs_no_cast() -> None:
    assert list(
        answers("{{ divide('a', 'b', 6) }}", "a int, b bigint", [(2147483647, 3), (1, 0), (None, 1)])
    ) == [
        Decimal("715827882.333333"),
        None,
        None,
    ]


def test_shares_are_rounded_to_the_nearest_and_never_more_than_the_amount() -> None:
    source = random.Random(6)
    rows = []
    for amount in decimals(500, 18, 4, 7):
        total = abs(source.choice(decimals(40, source.choice([8, 14, 18, 24]), 8, 8)))
        rows.append((amount, total * source.randint(0, 100) / 100, total))
    rows += [(sign * odd / 10000, Decimal(1), 2 * unit) for sign, odd, unit in about_half()]
    columns = "a decimal(18, 4), w decimal(38, 8), t decimal(38, 8)"
    with localcontext(prec=80):
        rows = [(amount, rounded(weight, 8), total) for amount, weight, total in rows]
        for (amount, weight, total), share in zip(
            rows, answers("{{ share_of('a', 'w', 't') }}", columns, rows), strict=True
        ):
            if total == 0:
                assert share is None
            elif total < 10**10:
                assert share == rounded(amount * weight / total, 4), (amount, weight, total)
            else:
                assert abs(share) <= abs(amount)


def test_amount_that_is_no_decimal_is_null() -> None:
    typed = [("NaN",), ("Infinity",), ("123456789012345",), ("1e3",), ("0.00005",), ("-1.5",), (None,)]
    found = list(answers("{{ amount('a') }}", "a varchar", typed))
    assert found == [None, None, None, Decimal(1000), Decimal("0.0001"), Decimal("-1.5"), None]
    assert "varchar" in render("{{ amount('a') }}", "snowflake")  # Snowflake's TRY_CAST takes text only


def test_decimals_of_any_spelling_of_a_number_are_counted() -> None:
    source, typed = random.Random(24), []
    for _ in range(3000):
        whole, point = str(source.randint(0, 10 ** source.randint(0, 20))), source.choice(["", "."])
        part = (
            str(source.randint(0, 10 ** source.randint(0, 30))) + "0" * source.randint(0, 3) if point else ""
        )
        power = source.choice(
            ["", "", f"{source.choice('eE')}{source.choice(['', '+', '-0'])}{source.randint(0, 25)}"]
        )
        typed.append((source.choice(["", "-", "+"]) + whole + point + part + power,))
    typed += [(each,) for each in ("1.00000000000000001", "1e-17", "5.", ".5", "-.00001", "0e-9", " 1.50 ")]
    found = answers("{{ decimals_of('a') }}", "a varchar", typed)
    with localcontext(prec=100):
        for (text,), count in zip(typed, found, strict=True):
            exponent = Decimal(text).normalize().as_tuple().exponent
            assert isinstance(exponent, int) and isinstance(count, int)
            assert max(0, count) == max(0, -exponent), text


def test_decimals_of_what_only_duckdb_takes_for_a_number_are_unknown() -> None:
    assert (
        list(answers("{{ decimals_of('a') }}", "a varchar", [("1_000",), ("5e ",), ("84E9.",)])) == [None] * 3
    )


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("43659", 43659),
        ("2147483647", 2147483647),
        ("43659x", None),
        ("", None),
        (" 1", None),
        ("1e3", None),
        ("4.5", None),
        ("-1", None),
        ("٣", None),
        ("2147483648", None),
        ("9" * 40, None),
        (None, None),
    ],
)
def test_only_digits_are_a_number(typed: str | None, number: int | None) -> None:
    assert list(answers("{{ integer_or_null('a') }}", "a varchar", [(typed,)])) == [number]


HOSTS = {
    "https://www.climbing.com/bikes": ("www.climbing.com", False),
    "https://www.bing.com/search?q=x": ("www.bing.com", True),
    "https://bing.com.": ("bing.com", True),
    "HTTPS://user@WWW.Google.CO.UK:443?q=x": ("www.google.co.uk", True),
    "https://www.google.com.br#top": ("www.google.com.br", True),
    "https://notgoogle.com": ("notgoogle.com", False),
    "https://google.com.evil.example/": ("google.com.evil.example", False),
    "android-app://com.google.android": ("com.google.android", False),
    "https://x.example/?u=https://bing.com/": ("x.example", False),
    "not an address": (None, None),
    "": (None, None),
}


@pytest.mark.parametrize("address", HOSTS)
def test_hosts_are_compared_as_hosts(address: str) -> None:
    host, is_search = HOSTS[address]
    assert list(answers("{{ host_of('a') }}", "a varchar", [(address,)])) == [host]
    domains = "['google.com', 'google.__', 'google.co.__', 'google.com.__', 'bing.com']"
    assert list(answers(f"{{{{ host_is_in('a', {domains}) }}}}", "a varchar", [(host,)])) == [is_search]


def test_day_outside_the_calendar_has_the_unknown_key() -> None:
    days = [
        "1899-12-31 23:59:59",
        "1900-01-01",
        "2099-12-31 23:59:59",
        "2100-01-01",
        "9999-12-31",
        "infinity",
    ]
    rows = [(day,) for day in [*days, "-infinity", "0044-03-15 (BC)", None]]
    keys = list(answers("{{ date_key('a') }}", "a timestamp", rows))
    assert keys == [-1, 19000101, 20991231, -1, -1, -1, -1, -1, -1]


def test_last_valid_day_at_the_end_of_time_stays_there() -> None:
    rows = [("2025-01-31",), ("9999-12-31",), ("infinity",), ("294246-12-31",)]
    found = list(answers("{{ next_midnight('a') }}", "a timestamp", rows))
    assert found == [datetime(2025, 2, 1), *[datetime(9999, 12, 31)] * 3]


def test_typed_text_gives_no_two_rows_one_key() -> None:
    places = [("X|79", 79, "p"), ("X", 79, "79|p"), ("X~!79", 79, "p"), ("X~", 79, "!79|p")]
    keys = answers(
        "{{ geography_key('given') }}", "city varchar, state_province_id int, postal_code varchar", places
    )
    assert len(set(keys)) == len(places)


# -- rules that every file keeps ----------------------------------------------------------------------------------

COMMENT = re.compile(r"\{#.*?#\}|--[^\n]*|'[^'\n]*'", re.S)
DIVISION = re.compile(r"[^\s/]\s*(/{1,2})\s*(?!\d)[^\s/*]")


def test_only_the_macro_divides() -> None:
    """By a constant anybody may divide: it is not 0."""
    files = [
        path
        for folder in ("models", "macros", "snapshots", "tests")
        for path in files_of(folder, "*.sql")
        if path.name != "numbers.sql"
    ]
    assert len(files) > 100
    found = {
        path.name: matched.group()
        for path in files
        if (matched := DIVISION.search(COMMENT.sub("", path.read_text())))
    }
    assert found == {}


def test_metric_that_divides_is_null_without_a_denominator() -> None:
    metrics = [
        metric
        for path in files_of("models/semantic", "*.yml")
        for metric in yaml.safe_load(path.read_text()).get("metrics", [])
    ]
    divided = [expr for metric in metrics if "/" in (expr := str(metric["type_params"].get("expr", "")))]
    assert divided
    assert all(re.fullmatch(r"[\w.]+ / nullif\([\w.]+, 0\)", expr) for expr in divided)


@pytest.mark.parametrize("bare", ["margin / revenue", "sum(a) / count(*)", "a/b", "(a) // b"])
def test_bare_division_is_found(bare: str) -> None:
    assert DIVISION.search(COMMENT.sub("", f"select {bare} -- a / b"))
