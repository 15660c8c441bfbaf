-- %(count)s products get a new list price from tomorrow's midnight, and every other one a new cost too. The end dates of
-- the histories are inclusive, as in the original.
with
products as materialized (
    select p.productid
    from production.product as p
    where (p.sellenddate is null or p.sellenddate > %(day)s)
        and exists (
            select from production.productlistpricehistory as h
            where h.productid = p.productid and h.enddate is null and h.startdate < %(day)s
        )
    order by pg_temp.dice(concat_ws(' ', %(seed)s, 'price', p.productid)), p.productid
    limit %(count)s
    for no key update of p skip locked
),
changes as (
    select
        productid,
        1 + (case when pg_temp.dice(concat_ws(' ', %(seed)s, 'down', productid)) < 0.3 then -1 else 1 end)
            * (0.02 + 0.06 * pg_temp.dice(concat_ws(' ', %(seed)s, 'by', productid))::numeric) as factor,
        row_number() over (order by productid) %% 2 = 1 as with_cost
    from products
),
old_prices as (
    update production.productlistpricehistory as h set enddate = %(day)s::date
    from changes as c
    where h.productid = c.productid and h.enddate is null and h.startdate < %(day)s
    returning h.productid, round(h.listprice * c.factor, 2) as listprice
),
new_prices as (
    insert into production.productlistpricehistory (productid, startdate, listprice)
    select productid, %(day)s::date + 1, listprice from old_prices
    returning productid
),
old_costs as (
    update production.productcosthistory as h set enddate = %(day)s::date
    from changes as c
    where h.productid = c.productid and c.with_cost and h.enddate is null and h.startdate < %(day)s
    returning h.productid, round(h.standardcost * (1 + (c.factor - 1) / 2), 4) as standardcost
),
new_costs as (
    insert into production.productcosthistory (productid, startdate, standardcost)
    select productid, %(day)s::date + 1, standardcost from old_costs
    returning productid
)
select (select count(*) from new_prices) + (select count(*) from new_costs)
