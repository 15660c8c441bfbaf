"""Small lists that names and addresses of invented people are put together from."""


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    return text.split()


FIRST_NAMES = words(
    """
    Aaron Abigail Adam Adrian Aisha Alan Alejandro Alexandra Alice Amelia Amir Amy Ana Andrea Andrew
    Angela Anna Anthony Antonio Ashley Barbara Beatrice Benjamin Blake Brandon Brenda Brian Bruno Caleb
    Camille Carla Carlos Caroline Cassandra Catherine Cedric Charles Charlotte Chloe Christian Clara
    Claudia Colin Connor Cristina Daisy Damien Daniel David Deborah Denise Derek Diana Diego Dominique
    Douglas Dylan Edgar Eduardo Edward Elena Eli Elijah Elizabeth Emily Emma Eric Erin Ethan Eva Evan
    Fabian Felix Fernando Fiona Florian Frances Francisco Franziska Gabriel Gary Geoffrey George Gerald
    Gina Grace Greta Hailey Hannah Harold Heidi Helen Henry Hugo Ian Ines Irene Isaac Isabella Ivan Jack
    Jacqueline Jaime James Jan Janet Jasmine Jason Jenna Jeremy Jessica Joan Jochen Jonathan Jordan Jose
    Joseph Joshua Juan Julia Julian Karen Karl Katherine Katja Kelly Kenneth Kevin Kim Kyle Lara Laura
    Lauren Leah Lena Leon Linda Logan Louis Lucas Lucia Luis Luke Madeleine Manuel Marc Marcus Margaret
    Maria Marie Mario Martin Mary Mason Mathilde Matthew Maurice Maxime Megan Melanie Melissa Michael
    Miguel Mohammed Monica Morgan Nadia Natalie Nathan Nicholas Nicole Nina Noah Nora Olga Oliver Olivia
    Omar Oscar Pablo Pamela Patricia Patrick Paul Peter Philippe Pierre Rachel Ralf Raphael Rebecca
    Renate Ricardo Richard Robert Roberto Robin Rosa Ruben Ryan Sabine Samantha Samuel Sara Sebastian
    Sergio Seth Shannon Sierra Simon Sofia Sophie Stefan Stephanie Steven Susan Sydney Sylvia Tamara
    Teresa Theo Thomas Timothy Tobias Tristan Ursula Valerie Vanessa Victor Victoria Vincent Virginie
    Walter Wendy William Xavier Yolanda Yusuf Zoe
    """
)

LAST_NAMES = words(
    """
    Adams Alexander Allen Alonso Alvarez Anand Andersen Arnold Bailey Baker Barnes Bauer Becker Bell
    Bennett Bernard Bianchi Black Blanco Bouchard Bradley Brooks Brown Bryant Butler Campbell Carlson
    Carter Castro Chande Chandra Chapman Chen Clark Coleman Collins Cook Cooper Cox Deng Diaz Dominguez
    Dubois Edwards Evans Fernandez Fischer Flores Foster Fournier Foxley García Gao Gill Girard Gomez
    González Goel Gray Green Griffin Guo Gutierrez Hall Harris Hayes He Henderson Hernandez Hill
    Hoffmann Howard Hu Huang Hughes Ito Jackson Jai James Jansen Jenkins Jiménez Johnson Jones Kaiser
    Kapoor Kelly King Klein Koch Kovár Krüger Kumar Lal Lambert Lang Leclerc Lee Lefèvre Lewis Li Liang
    Lin Liu Long Lopez Lu Ma Madan Malhotra Martin Martínez Mehta Meyer Miller Mitchell Moore Moreau
    Moreno Morgan Morris Müller Muñoz Murphy Nara Navarro Nelson Nguyen Novák Ortega Pal Parker Patel
    Patterson Perez Perry Peterson Phillips Powell Prasad Price Raje Raman Ramirez Ramos Rana Reed
    Richardson Rivera Roberts Robinson Rodríguez Rogers Romero Ross Rousseau Roy Rubio Ruiz Russell Sai
    Sanchez Sanders Sandoval Sanz Sara Schmidt Schneider Schulz Scott Serrano Shan Sharma Shen Simmons
    Smith Stewart Stone Suarez Subram Sullivan Sun Suri Tang Taylor Thomas Thompson Torres Turner Vance
    Vázquez Verma Wagner Walker Wang Ward Washington Watson Weber White Williams Wilson Wood Wright Wu
    Xie Xu Yang Ye Young Yuan Zeng Zhang Zhao Zheng Zhou Zhu Zimmermann
    """
)

STREET_NAMES = words(
    """
    Acacia Almond Arbor Beech Birch Bonnie Breck Brook Cedar Cherry Clay Clayton Concord Creek Dell
    Diablo Eagle Elm Fern Forest Garden Glen Grand Harbor Hazel High Hill Holly Ivy Juniper Lake Lark
    Laurel Lime Maple Meadow Mill Mountain Oak Olive Orchard Park Pine Plaza Pleasant Ridge River Rose
    Sequoia Spring Stone Sunset Valley View Vista Walnut Willow Woodland
    """
)
STREETS = [
    f" {name} {kind}"
    for name in STREET_NAMES
    for kind in ("Avenue", "Circle", "Court", "Drive", "Lane", "Place", "Road", "Street", "Way")
]
STREETS_FRENCH = [
    f", {kind} {name}"
    for kind in ("rue", "avenue", "boulevard", "place")
    for name in (
        "de l'Église",
        "des Lilas",
        "du Moulin",
        "de la Gare",
        "Victor Hugo",
        "Pasteur",
        "de la Mairie",
    )
]
STREETS_GERMAN = [
    f"{name}{kind} "
    for name in ("Haupt", "Bahnhof", "Garten", "Linden", "Schul", "Berg", "Ring", "Wald", "Park", "Kirch")
    for kind in ("straße", "weg", "platz", "allee")
]

STORE_PLACES = words(
    """
    Alpine Bayside Bluegrass Canyon Capital Central Coastal Downtown Eastside Evergreen First Frontier
    Grand Harbor Highland Lakeside Metro Midtown National Northern Old-Town Pacific Pioneer Prairie
    Regional Riverside Summit Sunrise Uptown Valley Western Westside
    """
)
STORE_KINDS = [
    "Bicycle Shop", "Bike Company", "Bike Store", "Bikes and Gear", "Commuter Bikes", "Cycle Center",
    "Cycle Works", "Cycles", "Cycling Supply", "Discount Bikes", "Fitness Store", "Mountain Sports",
    "Outdoor Goods", "Pedal House", "Rental Bikes", "Riding Supplies", "Road Bikes", "Spoke and Chain",
    "Sporting Goods", "Sports Outlet", "Tandem Store", "Touring Bikes", "Wheel Works",
]  # fmt: skip
VENDOR_NAMES = words(
    """
    Allied Alpine Aurora Beacon Capitol Cascade Compass Continental Crown Delta Eastern Evergreen
    Federal Frontier Global Golden Highland Inland Lakeshore Meridian Mountain Northwind Oceanic Premier
    Summit Superior
    """
)
VENDOR_KINDS = ("Bicycle Parts", "Components", "Cycling Accessories", "Metal Works")
