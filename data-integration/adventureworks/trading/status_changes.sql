-- Orders of earlier days go on: in process (1) → approved (2) → shipped (5) a week after the order; a few are
-- backordered (3), rejected (4) or cancelled (6), and %(returns)s shipped ones of the last three weeks come back (6).
with
open_orders as materialized (
    select h.salesorderid, h.status, d.next_status
    from sales.salesorderheader as h
    cross join lateral (
        select %(day)s::date - h.orderdate::date as age,
            pg_temp.dice(concat_ws(' ', %(seed)s, 'status', h.salesorderid)) as dice
    ) as o
    cross join lateral (
        select case
            when h.status in (1, 2) and o.dice < 0.004 then 4
            when h.status in (1, 2) and o.dice < 0.010 then 6
            when h.status in (1, 2) and o.dice < 0.025 then 3
            when o.age >= 7 and (h.status <> 3 or o.dice < 0.5) then 5
            when h.status = 1 and o.dice < 0.9 then 2
            else h.status
        end as next_status
    ) as d
    where h.status in (1, 2, 3) and d.next_status <> h.status
    order by o.dice, h.salesorderid
    limit %(count)s
    for no key update of h skip locked
),
returned_orders as materialized (
    select salesorderid
    from sales.salesorderheader
    where status = 5 and orderdate < %(day)s and orderdate >= %(day)s::date - 21
    order by pg_temp.dice(concat_ws(' ', %(seed)s, 'return', salesorderid)), salesorderid
    limit %(returns)s
    for no key update skip locked
),
decisions as (
    select salesorderid, next_status from open_orders
    union all
    select salesorderid, 6 from returned_orders
),
changed as (
    update sales.salesorderheader as h
    set
        status = d.next_status,
        shipdate = case when d.next_status = 5 then %(day)s::date else h.shipdate end,
        revisionnumber = h.revisionnumber + 1
    from decisions as d
    where h.salesorderid = d.salesorderid
    returning h.salesorderid, h.status, h.onlineorderflag
),
parcels as (
    update sales.salesorderdetail as l
    set carriertrackingnumber = upper(substr(md5(concat_ws(' ', %(seed)s, 'parcel', c.salesorderid)), 1, 4)
        || '-' || substr(md5(concat_ws(' ', %(seed)s, 'parcel', c.salesorderid)), 5, 4)
        || '-' || substr(md5(concat_ws(' ', %(seed)s, 'parcel', c.salesorderid)), 9, 2))
    from changed as c
    where l.salesorderid = c.salesorderid and c.status = 5 and not c.onlineorderflag and l.carriertrackingnumber is null
)
select count(*) from changed
