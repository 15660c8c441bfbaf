-- One line each of %(count)s orders of the last two months turns out wrong: its quantity (two of three) or its discount
-- is corrected, and the header's amounts follow.
with
orders as materialized (
    select salesorderid
    from sales.salesorderheader
    where status not in (4, 6) and orderdate < %(day)s and orderdate >= %(day)s::date - 60 and subtotal > 0
    order by pg_temp.dice(concat_ws(' ', %(seed)s, 'late', salesorderid)), salesorderid
    limit %(count)s
    for no key update skip locked
),
wrong_lines as (
    select distinct on (l.salesorderid)
        l.salesorderid, l.salesorderdetailid,
        pg_temp.dice(concat_ws(' ', %(seed)s, 'what', l.salesorderdetailid)) < 0.33 as is_discount,
        pg_temp.dice(concat_ws(' ', %(seed)s, 'less', l.salesorderdetailid)) < 0.5 and l.orderqty > 1 as is_less
    from orders
    join sales.salesorderdetail as l using (salesorderid)
    order by l.salesorderid, pg_temp.dice(concat_ws(' ', %(seed)s, 'line', l.salesorderdetailid)), l.salesorderdetailid
),
corrected as (
    update sales.salesorderdetail as l
    set
        orderqty = case when w.is_discount then l.orderqty when w.is_less then l.orderqty - 1 else l.orderqty + 1 end,
        unitpricediscount = case
            when not w.is_discount then l.unitpricediscount
            when l.unitpricediscount = 0 then 0.05
            else 0
        end
    from wrong_lines as w
    where l.salesorderid = w.salesorderid and l.salesorderdetailid = w.salesorderdetailid
    returning l.salesorderid, l.salesorderdetailid, l.unitprice * (1 - l.unitpricediscount) * l.orderqty as linetotal
),
-- this statement still sees the lines as they were
subtotals as (
    select
        l.salesorderid,
        round(sum(coalesce(c.linetotal, l.unitprice * (1 - l.unitpricediscount) * l.orderqty)), 4) as subtotal
    from orders
    join sales.salesorderdetail as l using (salesorderid)
    left join corrected as c using (salesorderid, salesorderdetailid)
    group by l.salesorderid
),
amounts as (
    select
        s.salesorderid, s.subtotal,
        round(h.taxamt * s.subtotal / h.subtotal, 4) as taxamt,
        round(h.freight * s.subtotal / h.subtotal, 4) as freight
    from subtotals as s
    join sales.salesorderheader as h using (salesorderid)
),
adjusted as (
    update sales.salesorderheader as h
    set
        subtotal = a.subtotal,
        taxamt = a.taxamt,
        freight = a.freight,
        totaldue = a.subtotal + a.taxamt + a.freight,
        revisionnumber = h.revisionnumber + 1
    from amounts as a
    where h.salesorderid = a.salesorderid
    returning h.salesorderid
)
select count(*) from adjusted
