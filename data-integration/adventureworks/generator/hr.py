"""The staff: who works where since when, at which pay, and who applied."""

from __future__ import annotations

import numpy as np

from adventureworks.generator.columns import (
    XML_HOME,
    Frame,
    Plan,
    amounts,
    dates,
    digits,
    from_list,
    joined,
    nullable,
    stamped,
    timestamps,
)
from adventureworks.generator.people import EMPLOYEES, SALESPEOPLE
from adventureworks.generator.reference import facts
from adventureworks.generator.salespeople import first_day

SELLER = "Sales Representative"
SALES_MANAGERS = {
    274: "North American Sales Manager",
    285: "Pacific Sales Manager",
    287: "European Sales Manager",
}
MOVES = 6  # changes of department
RAISED, RAISES = 13, 2  # employees whose pay rose, and how often
CANDIDATES, HIRED = 13, {4: 212, 8: 274}  # applicants who were taken on, by number


def employees(plan: Plan) -> list[Frame]:
    """The tables of schema humanresources that are not plain facts."""
    staff = _Staff(plan)
    return [
        _employees(plan, staff),
        _departments(plan, staff),
        _pay(plan, staff),
        _candidates(plan),
    ]


def jobs_held() -> np.ndarray:
    """The job (line in jobs.csv) of employees 1 … 290: leaders first, those who sell last."""
    jobs = facts("jobs")
    title = np.array(jobs.strings("jobtitle"))
    selling = np.isin(title, [SELLER, *SALES_MANAGERS.values()])
    held = np.repeat(np.flatnonzero(~selling), jobs.numbers("people")[~selling])
    held = np.r_[held, np.full(SALESPEOPLE, np.flatnonzero(title == SELLER)[0])]
    for number, name in SALES_MANAGERS.items():
        held[number - 1] = np.flatnonzero(title == name)[0]
    return held


def members(department: int) -> np.ndarray:
    """The employees of a department."""
    return 1 + np.flatnonzero(facts("jobs").numbers("departmentid")[jobs_held()] == department)


class _Staff:
    """What several tables need to know of employees 1 … 290."""

    def __init__(self, plan: Plan) -> None:
        jobs, held = facts("jobs"), jobs_held()
        chance = plan.chance("humanresources.employee")
        titles = jobs.strings("jobtitle")
        self.title = [titles[job] for job in held.tolist()]
        self.department = jobs.numbers("departmentid")[held]
        self.level = jobs.numbers("lvl")[held]
        self.rate = jobs.numbers("rate", 4)[held]
        self.salaried = np.array([flag == "t" for flag in jobs.strings("salaried")])[held]
        self.number = np.arange(1, EMPLOYEES + 1)
        # hired within two and a half years before the opening; those who sell just before they begin to
        self.hired = plan.opening - 60 - chance.below(900, EMPLOYEES)
        sellers = self.number[-SALESPEOPLE:].tolist()
        self.hired[-SALESPEOPLE:] = plan.opening - 20 + np.array([first_day(number) for number in sellers])
        self.shift = np.where(self.salaried, 1, 1 + chance.choose([50, 27, 23], EMPLOYEES))


def _nodes(staff: _Staff) -> list[str]:
    """The place in the hierarchy, "/3/1/": below a leader of one's department, or of the company."""
    nodes: list[str] = []
    children: dict[str, int] = {}
    leader: dict[tuple[int, int], str] = {}
    for level, department in zip(staff.level.tolist(), staff.department.tolist(), strict=True):
        if level <= 0:
            nodes.append("/")
            leader.setdefault((0, 0), "/")
            continue
        above = range(level - 1, -1, -1)
        parent = next(
            (leader[rank, place] for rank in above for place in (department, 0) if (rank, place) in leader),
            "/",
        )
        children[parent] = children.get(parent, 0) + 1
        node = f"{parent}{children[parent]}/"
        nodes.append(node)
        leader.setdefault((level, department), node)
    return nodes


def _employees(plan: Plan, staff: _Staff) -> Frame:
    chance = plan.chance("humanresources.employee.person")
    return stamped(
        plan,
        "humanresources.employee",
        {
            "businessentityid": staff.number,
            "nationalidnumber": digits(
                100_000_000 + 2_000_003 * staff.number + chance.below(2_000_000, EMPLOYEES), 9
            ),
            "loginid": joined(
                "adventure-works\\",
                from_list([chr(97 + n) for n in range(26)], staff.number % 26),
                digits(staff.number, 3),
            ),
            "jobtitle": staff.title,
            "birthdate": dates(staff.hired - 8_000 - chance.below(11_000, EMPLOYEES)),
            "maritalstatus": from_list(["M", "S"], chance.below(2, EMPLOYEES)),
            "gender": from_list(["M", "F"], chance.choose([71, 29], EMPLOYEES)),
            "hiredate": dates(staff.hired),
            "salariedflag": staff.salaried,
            "vacationhours": chance.below(100, EMPLOYEES),
            "sickleavehours": chance.between(20, 80, EMPLOYEES),
            "currentflag": True,
            "modifieddate": timestamps(np.full(EMPLOYEES, plan.last_day - 1)),
            "organizationnode": _nodes(staff),
        },
    )


def _departments(plan: Plan, staff: _Staff) -> Frame:
    """Everybody's department; a few came from another one."""
    chance = plan.chance("humanresources.employeedepartmenthistory")
    elsewhere = chance.sample(EMPLOYEES - 40, MOVES) + 2
    moved = staff.hired[elsewhere] + 400
    start = staff.hired.copy()
    start[elsewhere] = moved
    former = 1 + (staff.department[elsewhere] + 3) % 16
    number = np.concatenate([staff.number, staff.number[elsewhere]])
    starts = np.concatenate([start, staff.hired[elsewhere]])
    ends = np.concatenate([np.zeros(EMPLOYEES, np.int64), moved - 1])
    order = np.lexsort((starts, number))
    return stamped(
        plan,
        "humanresources.employeedepartmenthistory",
        {
            "businessentityid": number[order],
            "departmentid": np.concatenate([staff.department, former])[order],
            "shiftid": np.concatenate([staff.shift, staff.shift[elsewhere]])[order],
            "startdate": dates(starts[order]),
            "enddate": dates(ends[order], ends[order] == 0),
            "modifieddate": timestamps(np.maximum(starts, ends)[order]),
        },
    )


def _pay(plan: Plan, staff: _Staff) -> Frame:
    chance = plan.chance("humanresources.employeepayhistory")
    risen = chance.sample(EMPLOYEES - SALESPEOPLE, RAISED)
    number, day, rate = [staff.number], [staff.hired], [staff.rate.copy()]
    for step in range(1, RAISES + 1):
        number.append(staff.number[risen])
        day.append(staff.hired[risen] + 365 * step)
        rate.append(staff.rate[risen])
    rate[0][risen], rate[1] = staff.rate[risen] * 80 // 100, staff.rate[risen] * 90 // 100
    people, days, rates = np.concatenate(number), np.concatenate(day), np.concatenate(rate)
    order = np.lexsort((days, people))
    return stamped(
        plan,
        "humanresources.employeepayhistory",
        {
            "businessentityid": people[order],
            "ratechangedate": timestamps(days[order]),
            "rate": amounts(rates[order]),
            "payfrequency": 1 + staff.salaried[people[order] - 1].astype(np.int64),
            "modifieddate": timestamps(days[order]),
        },
    )


def _candidates(plan: Plan) -> Frame:
    numbers = np.arange(1, CANDIDATES + 1)
    hired = np.array([HIRED.get(number, 0) for number in numbers.tolist()])
    resume = (
        '<ns:Resume xmlns:ns="{}Resume"><ns:Name><ns:Name.First>Candidate</ns:Name.First><ns:Name.Last>{}'
        "</ns:Name.Last></ns:Name><ns:Skills>Welding &amp; quality inspection</ns:Skills></ns:Resume>"
    )
    return stamped(
        plan,
        "humanresources.jobcandidate",
        {
            "jobcandidateid": numbers,
            "businessentityid": nullable(hired, hired == 0),
            "resume": [resume.format(XML_HOME, number) for number in numbers.tolist()],
        },
    )
