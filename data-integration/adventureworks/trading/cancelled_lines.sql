-- Up to %(count)s orders that were rejected or cancelled a week ago or longer are cleared: their lines go, their amounts
-- are nothing. Returns the lines.
with
orders as materialized (
    select salesorderid
    from sales.salesorderheader as h
    where status in (4, 6) and orderdate < %(day)s::date - 7
        and exists (select from sales.salesorderdetail as l where l.salesorderid = h.salesorderid)
    order by pg_temp.dice(concat_ws(' ', %(seed)s, 'clear', salesorderid)), salesorderid
    limit %(count)s
    for no key update skip locked
),
cleared as (
    delete from sales.salesorderdetail as l
    using orders as o
    where l.salesorderid = o.salesorderid
    returning l.salesorderdetailid
),
emptied as (
    update sales.salesorderheader as h
    set subtotal = 0, taxamt = 0, freight = 0, totaldue = 0, revisionnumber = h.revisionnumber + 1
    from orders as o
    where h.salesorderid = o.salesorderid
)
select count(*) from cleared
