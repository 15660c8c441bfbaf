"""The catalogue: products with their prices over time, models, descriptions, pictures, documents, reviews.

A year is a season; prices change when one begins. Season 1 opens with the first order. A product's last season ends
the day before the next one begins: the end dates are inclusive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from adventureworks.generator.columns import (
    XML_HOME,
    Frame,
    Plan,
    amounts,
    digits,
    from_list,
    joined,
    stamped,
    timestamps,
)
from adventureworks.generator.reference import Facts, cataloged, fact_columns, facts

LANGUAGES = {
    "en": "{} – made for riders who want more.",
    "fr": "{} – pour les cyclistes exigeants.",
    "ar": "{} – لراكبي الدراجات الطموحين.",
    "th": "{} – สำหรับนักปั่นที่ต้องการมากกว่า",
    "he": "{} – לרוכבים שרוצים יותר.",
    "zh-cht": "{} – 獻給追求更好的騎士。",
}
TITLES = (  # node, owner, title, status; a folder has no revision
    ("/", 217, "Documents", 2),
    ("/1/", 217, "Overview", 2),
    ("/1/1/", 219, "Introduction", 2),
    ("/1/2/", 220, "Repair and Service Guidelines", 2),
    ("/2/", 217, "Maintenance", 2),
    ("/2/1/", 219, "Crank Arm and Tire Maintenance", 1),
    ("/2/2/", 219, "Lubrication Maintenance", 1),
    ("/3/", 217, "Assembly", 2),
    ("/3/1/", 220, "Front Reflector Bracket and Reflector Assembly", 2),
    ("/3/2/", 220, "Front Reflector Bracket Installation", 2),
    ("/3/3/", 220, "Installing Replacement Pedals", 2),
    ("/3/4/", 219, "Seat Assembly", 2),
    ("/3/5/", 220, "Training Wheels", 3),
)
FOLDERS = ("/", "/1/", "/2/", "/3/")
PAPERS = (
    ("/2/1/", 10),
    ("/3/1/", 1),
    ("/3/4/", 9),
    ("/1/1/", 4),
    ("/3/2/", 1),
    ("/3/3/", 7),
)  # node, products
PHOTOS, PICTURED = 101, 42
# a GIF of one pixel; the six digits in the middle are its colour
GIF = "\\x47494638396101000100800000{}0000002c00000000010001000002024401003b"
REVIEWS = (  # product, days ago, rating, text
    (709, 285, 5, "Three days in the rain, and my feet stayed warm and dry. I have ordered two more pairs."),
    (937, 229, 4, "Easy to step into and out of, even in mud; only the weight keeps them from a fifth star."),
    (937, 227, 2, "Too stiff for a beginner: I fell twice before I found the screw that loosens the spring."),
    (798, 227, 5, 'My "Sunday bike" became my everyday bike.\nLight, quick, and the brakes forgive a lot.'),
)
MODEL_DESCRIPTIONS, MODEL_INSTRUCTIONS = (19, 23, 25, 28, 34, 35), (7, 10, 43, 44, 47, 48, 53, 66, 67)


@dataclass(frozen=True)
class Catalogue:
    """What the other rooms ask of products; positions count the products by id, from 0; prices in 1/10,000."""

    ids: np.ndarray
    position: np.ndarray  # by product id
    subcategory: np.ndarray  # 0: none
    category: np.ndarray  # 0: none, 1 bikes, 2 components, 3 clothing, 4 accessories
    made: np.ndarray  # bool: made here, not bought
    model: np.ndarray
    list_price: np.ndarray  # today's, of parts without a history too
    last_season: np.ndarray  # 0: still sold
    price: np.ndarray  # [season 0 … 2, position]: list price, after the last season the last one
    cost: np.ndarray
    online_demand: np.ndarray  # [season, position]
    reseller_demand: np.ndarray


def catalogue() -> Catalogue:
    """The catalogue's facts as arrays."""
    product, subcategories = facts("production.product"), facts("production.productsubcategory")
    ids = product.numbers("productid")
    position = np.full(int(ids[-1]) + 1, -1)
    position[ids] = np.arange(len(ids))
    subcategory = product.numbers("productsubcategoryid")
    categories = np.r_[0, subcategories.numbers("productcategoryid")]

    history, demand = facts("season_prices"), facts("season_demand")

    def by_season(source: Facts, name: str, decimals: int) -> np.ndarray:
        table = np.zeros((3, len(ids)), np.int64)
        table[source.numbers("season") - 1, position[source.numbers("productid")]] = source.numbers(
            name, decimals
        )
        return table

    def lasting(table: np.ndarray) -> np.ndarray:
        for season in (1, 2):
            table[season] = np.where(table[season] == 0, table[season - 1], table[season])
        return table

    return Catalogue(
        ids=ids,
        position=position,
        subcategory=subcategory,
        category=categories[subcategory],
        made=np.array([flag == "t" for flag in product.strings("makeflag")]),
        model=product.numbers("productmodelid"),
        list_price=product.numbers("listprice", 4),
        last_season=product.numbers("lastseason"),
        price=lasting(by_season(history, "listprice", 4)),
        cost=lasting(by_season(history, "standardcost", 4)),
        online_demand=by_season(demand, "online", 0),
        reseller_demand=by_season(demand, "reseller", 0),
    )


def products(plan: Plan, goods: Catalogue) -> list[Frame]:
    """The catalogue's tables."""
    return [
        _product(plan, goods),
        *_histories(plan),
        _models(plan),
        *_descriptions(plan),
        *_pictures(plan, goods),
        *_documents(plan, goods),
        *_illustrations(plan),
        _reviews(plan),
    ]


def season_start(plan: Plan, season: np.ndarray) -> np.ndarray:
    """The day on which season 1, 2, 3 begins; for 0 the founding day."""
    return np.r_[plan.founding, plan.opening + np.array(plan.SEASONS)][season]


def _product(plan: Plan, goods: Catalogue) -> Frame:
    source = facts("production.product")
    imported = cataloged(plan)
    # one product was touched two minutes after the import
    stamps = [imported] * (source.rows - 1) + [imported.replace(minute=imported.minute + 2)]
    return stamped(
        plan,
        "production.product",
        fact_columns("production.product", source)
        | {
            "sellstartdate": timestamps(season_start(plan, source.numbers("firstseason"))),
            "sellenddate": timestamps(_season_end(plan, goods.last_season), goods.last_season == 0),
            "discontinueddate": None,
            "modifieddate": pa.array(stamps, pa.timestamp("ms")),
        },
    )


def _season_end(plan: Plan, season: np.ndarray) -> np.ndarray:
    """The last day of season 1 or 2."""
    return season_start(plan, np.minimum(season + 1, 3)) - 1


def _histories(plan: Plan) -> list[Frame]:
    """One version per season, its end inclusive; the last version of a product that is still sold has none."""
    source = facts("season_prices")
    ids, season = source.numbers("productid"), source.numbers("season")
    start, end, current = season_start(plan, season), _season_end(plan, season), season == 3
    shared = {
        "productid": ids,
        "startdate": timestamps(start),
        "enddate": timestamps(end, current),
        "modifieddate": timestamps(np.where(current, start, end)),
    }
    return [
        stamped(
            plan,
            f"production.product{kind}history",
            shared | {column: amounts(source.numbers(column, 4))},
        )
        for kind, column in (("cost", "standardcost"), ("listprice", "listprice"))
    ]


def _models(plan: Plan) -> Frame:
    source = facts("production.productmodel")
    ids, names = source.numbers("productmodelid").tolist(), source.strings("name")

    def summary(number: int, name: str) -> str | None:
        if number not in MODEL_DESCRIPTIONS:
            return None
        return (
            f'<p1:ProductDescription xmlns:p1="{XML_HOME}ProductModelDescription" xmlns:wm="{XML_HOME}'
            f'ProductModelWarrAndMain" ProductModelID="{number}" ProductModelName="{name}"><p1:Summary>{name}: '
            "performance and comfort on every ride.</p1:Summary><p1:Manufacturer><p1:Name>AdventureWorks</p1:Name>"
            "</p1:Manufacturer><p1:Features><wm:Warranty><wm:WarrantyPeriod>3 years</wm:WarrantyPeriod>"
            "<wm:Description>parts and labor</wm:Description></wm:Warranty></p1:Features></p1:ProductDescription>"
        )

    def steps(number: int) -> str | None:
        if number not in MODEL_INSTRUCTIONS:
            return None
        return (
            f'<root xmlns="{XML_HOME}ProductModelManuInstructions"><Location LaborHours="2.5" LotSize="100" '
            'SetupHours="0.5" LocationID="10"><step>Insert the <material>aluminum sheet</material> into the '
            "<tool>frame forming machine</tool>.</step><step>Check the form.</step></Location></root>"
        )

    return stamped(
        plan,
        "production.productmodel",
        fact_columns("production.productmodel", source)
        | {
            "catalogdescription": [summary(*model) for model in zip(ids, names, strict=True)],
            "instructions": [steps(number) for number in ids],
        },
    )


def _descriptions(plan: Plan) -> list[Frame]:
    """A description of each model but the last, in six languages."""
    models = facts("production.productmodel")
    names, ids = models.strings("name")[:-1], models.numbers("productmodelid")[:-1]
    texts = [template.format(name) for name in names for template in LANGUAGES.values()]
    numbers = 3 + np.arange(len(texts))
    return [
        stamped(
            plan,
            "production.productdescription",
            {"productdescriptionid": numbers, "description": texts},
        ),
        stamped(
            plan,
            "production.productmodelproductdescriptionculture",
            {
                "productmodelid": np.repeat(ids, len(LANGUAGES)),
                "productdescriptionid": numbers,
                "cultureid": list(LANGUAGES) * len(names),
            },
        ),
    ]


def _pictures(plan: Plan, goods: Catalogue) -> list[Frame]:
    chance = plan.chance("production.productphoto")
    numbers = np.r_[1, 68 + np.arange(1, PHOTOS)]
    colours = [GIF.format(f"{colour:06x}") for colour in chance.below(1 << 24, PHOTOS).tolist()]
    # pictures are of models; components and the like show the "no image" picture, number 1
    shown = np.where(goods.category > 0, numbers[goods.model % PICTURED], 1)
    return [
        stamped(
            plan,
            "production.productphoto",
            {
                "productphotoid": numbers,
                "thumbnailphoto": colours,
                "thumbnailphotofilename": joined("photo_", digits(numbers, 3), "_small.gif"),
                "largephoto": colours,
                "largephotofilename": joined("photo_", digits(numbers, 3), "_large.gif"),
            },
        ),
        stamped(
            plan,
            "production.productproductphoto",
            {"productid": goods.ids, "productphotoid": shown, "primary": True},
        ),
    ]


def _documents(plan: Plan, goods: Catalogue) -> list[Frame]:
    chance = plan.chance("production.document")
    nodes = [node for node, *_ in TITLES]
    folder = np.array([node in FOLDERS for node in nodes])
    names = [title for _, _, title, _ in TITLES]
    summaries = [None if leaf else f"How to: {name}." for leaf, name in zip(folder, names, strict=True)]
    # the bytes of a small text; folders have none, and one document's content was never stored
    content = [
        None if leaf or node == "/1/2/" else "\\x" + f"{name}\n".encode().hex()
        for leaf, node, name in zip(folder, nodes, names, strict=True)
    ]
    documents = stamped(
        plan,
        "production.document",
        {
            "title": names,
            "owner": np.array([owner for _, owner, *_ in TITLES]),
            "folderflag": folder,
            "filename": [name if leaf else f"{name}.doc" for leaf, name in zip(folder, names, strict=True)],
            "fileextension": from_list([".doc"], np.zeros(len(nodes), np.int64), folder),
            "revision": [str(number) for number in np.where(folder, 0, chance.below(9, len(nodes))).tolist()],
            "changenumber": np.where(folder, 0, chance.below(60, len(nodes))),
            "status": np.array([status for *_, status in TITLES]),
            "documentsummary": summaries,
            "document": content,
            "documentnode": nodes,
        },
    )
    paper = np.repeat([node for node, _ in PAPERS], [count for _, count in PAPERS])
    return [
        documents,
        stamped(
            plan,
            "production.productdocument",
            {
                "productid": goods.ids[3 + np.arange(len(paper))],
                "documentnode": pa.array(paper.tolist(), pa.string()),
            },
        ),
    ]


def _illustrations(plan: Plan) -> list[Frame]:
    numbers = np.arange(3, 8)
    drawing = (
        '<Viewbox xmlns="http://schemas.microsoft.com/winfx/2006/xaml/presentation" Width="100" Height="{}"/>'
    )
    return [
        stamped(
            plan,
            "production.illustration",
            {
                "illustrationid": numbers,
                "diagram": [drawing.format(40 + 10 * number) for number in numbers.tolist()],
            },
        ),
        stamped(
            plan,
            "production.productmodelillustration",
            {
                "productmodelid": np.array([7, 10, 47, 47, 48, 48, 67]),
                "illustrationid": np.array([3, 3, 4, 5, 4, 5, 6]),
            },
        ),
    ]


def _reviews(plan: Plan) -> Frame:
    days = np.array([plan.last_day - ago for _, ago, *_ in REVIEWS])
    return stamped(
        plan,
        "production.productreview",
        {
            "productreviewid": np.arange(1, len(REVIEWS) + 1),
            "productid": np.array([product for product, *_ in REVIEWS]),
            "reviewername": ["Robin", "Ruben", "Nadia", "Laura"],
            "reviewdate": timestamps(days),
            "emailaddress": [f"reader{number}@example.com" for number in range(len(REVIEWS))],
            "rating": np.array([rating for *_, rating, _ in REVIEWS]),
            "comments": [text for *_, text in REVIEWS],
            "modifieddate": timestamps(days),
        },
    )
