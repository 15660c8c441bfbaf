-- Orders of the day: one for each of %(newcomers)s (customer ids), %(online)s by other private customers, %(resellers)s
-- by stores. Lines, prices, offers, tax and freight belong together: subtotal = sum of the lines at four decimals,
-- totaldue = subtotal + taxamt + freight.
with
sizes as (
    select is_online, (select max(q.place) from pg_temp.shop_customer as q where q.is_online = c.is_online) as customers,
        (select max(f.place) from pg_temp.shop_shelf as f where f.is_online = c.is_online) as goods
    from (values (true), (false)) as c (is_online)
),
buyers as (
    select n, true as is_online, customerid
    from unnest(%(newcomers)s::integer[]) with ordinality as newcomer (customerid, n)
    union all
    select 1000000 + n, q.is_online, q.customerid
    from generate_series(1, %(online)s) as n
    join sizes as s on s.is_online
    join pg_temp.shop_customer as q
        on q.is_online and q.place = 1 + floor(s.customers * pg_temp.dice(concat_ws(' ', %(seed)s, 'buyer', n)))::bigint
    union all
    select 2000000 + n, q.is_online, q.customerid
    from generate_series(1, %(resellers)s) as n
    join sizes as s on not s.is_online
    join pg_temp.shop_customer as q
        on not q.is_online and q.place = 1 + floor(s.customers * pg_temp.dice(concat_ws(' ', %(seed)s, 'store', n)))::bigint
),
orders as materialized (
    select
        nextval(pg_get_serial_sequence('sales.salesorderheader', 'salesorderid')) as salesorderid,
        n,
        is_online,
        customerid
    from (select * from buyers order by n) as in_turn
),
wishes as (
    select
        o.salesorderid, o.is_online, f.productid, min(k) as k
    from orders as o
    join sizes as s using (is_online)
    -- private baskets hold one to four products, stores' mostly more
    cross join lateral generate_series(
        1,
        case
            when o.is_online then 1 + floor(4 * pg_temp.dice(concat_ws(' ', %(seed)s, 'basket', o.n)) ^ 1.5)
            else 3 + floor(25 * pg_temp.dice(concat_ws(' ', %(seed)s, 'basket', o.n)) ^ 1.5)
        end::integer
    ) as k
    -- "limit 1" keeps the planner at the index, for one order as for many
    cross join lateral (
        select productid
        from pg_temp.shop_shelf as f
        where f.is_online = o.is_online
            and f.place = 1 + floor(s.goods * pg_temp.dice(concat_ws(' ', %(seed)s, 'product', o.n, k)))::bigint
        limit 1
    ) as f
    group by o.salesorderid, o.is_online, f.productid
),
quantities as (
    select
        *,
        case
            when is_online then 1
            else 1 + floor(16 * pg_temp.dice(concat_ws(' ', %(seed)s, 'quantity', salesorderid, productid)) ^ 3)
        end::integer as orderqty
    from wishes
),
lines as materialized (
    select
        w.salesorderid,
        nextval(pg_get_serial_sequence('sales.salesorderdetail', 'salesorderdetailid')) as salesorderdetailid,
        w.productid,
        w.orderqty,
        coalesce(offer.specialofferid, (select min(specialofferid) from sales.specialoffer where discountpct = 0))
            as specialofferid,
        coalesce(offer.discountpct, 0) as unitpricediscount,
        -- stores pay 60 per cent of the list price
        round(coalesce(h.listprice, p.listprice) * case when w.is_online then 1 else 0.6 end, 4) as unitprice
    from (select * from quantities order by salesorderid, k) as w
    join production.product as p using (productid)
    left join lateral (
        select listprice from production.productlistpricehistory as h
        where h.productid = w.productid and h.startdate <= %(day)s and (h.enddate is null or h.enddate >= %(day)s)
        order by h.startdate desc
        limit 1
    ) as h on true
    left join lateral (
        select s.specialofferid, s.discountpct
        from sales.specialofferproduct as op
        join sales.specialoffer as s using (specialofferid)
        where op.productid = w.productid and s.discountpct > 0
            and %(day)s between s.startdate::date and s.enddate::date
            and w.orderqty between s.minqty and coalesce(s.maxqty, w.orderqty)
            and s.category = case when w.is_online then 'Customer' else 'Reseller' end
        order by s.discountpct desc, s.specialofferid
        limit 1
    ) as offer on true
),
amounts as (
    select
        o.*, c.addressid, c.territoryid, c.salespersonid, c.creditcardid, c.countryregioncode, t.subtotal,
        round(t.subtotal * coalesce(rate.taxrate, 8) / 100, 4) as taxamt,
        round(t.subtotal * 0.025, 4) as freight
    from orders as o
    join pg_temp.shop_customer as c using (customerid)
    join (
        select salesorderid, round(sum(unitprice * (1 - unitpricediscount) * orderqty), 4) as subtotal
        from lines
        group by salesorderid
    ) as t using (salesorderid)
    left join (select stateprovinceid, max(taxrate) as taxrate from sales.salestaxrate group by 1) as rate
        on rate.stateprovinceid = c.stateprovinceid
),
headers as (
    insert into sales.salesorderheader (
        salesorderid, revisionnumber, orderdate, duedate, status, onlineorderflag, purchaseordernumber, accountnumber,
        customerid, salespersonid, territoryid, billtoaddressid, shiptoaddressid, shipmethodid, creditcardid,
        creditcardapprovalcode, currencyrateid, subtotal, taxamt, freight, totaldue, rowguid
    )
    select
        a.salesorderid, 1, %(day)s, %(day)s::date + 12, 1, a.is_online,
        case when not a.is_online then 'PO' || (500000000 + a.salesorderid) end,
        case when a.is_online then '10-4030-' else '10-4020-' end || lpad(a.customerid::text, 6, '0'),
        a.customerid, a.salespersonid, a.territoryid, a.addressid, a.addressid,
        (select case when a.is_online then min(shipmethodid) else max(shipmethodid) end from purchasing.shipmethod),
        a.creditcardid,
        case
            when a.creditcardid is not null
                then floor(1000000 * pg_temp.dice(concat_ws(' ', %(seed)s, 'approval', a.n))) || 'Vi' || a.creditcardid
        end,
        r.currencyrateid, a.subtotal, a.taxamt, a.freight, a.subtotal + a.taxamt + a.freight,
        pg_temp.guid('order', a.salesorderid)
    from amounts as a
    left join pg_temp.shop_rate as r using (countryregioncode)
    returning salesorderid
),
details as (
    insert into sales.salesorderdetail (
        salesorderid, salesorderdetailid, orderqty, productid, specialofferid, unitprice, unitpricediscount, rowguid
    )
    select
        salesorderid, salesorderdetailid, orderqty, productid, specialofferid, unitprice, unitpricediscount,
        pg_temp.guid('line', salesorderdetailid)
    from lines
    returning salesorderdetailid
),
-- three of four private customers say why, a few give two reasons
reasons as (
    insert into sales.salesorderheadersalesreason (salesorderid, salesreasonid)
    select o.salesorderid, r.salesreasonid
    from orders as o
    join lateral (
        select salesreasonid
        from sales.salesreason
        order by pg_temp.dice(concat_ws(' ', %(seed)s, 'reason', o.n, salesreasonid)), salesreasonid
        limit case
            when pg_temp.dice(concat_ws(' ', %(seed)s, 'why', o.n)) < 0.6 then 1
            when pg_temp.dice(concat_ws(' ', %(seed)s, 'why', o.n)) < 0.75 then 2
            else 0
        end
    ) as r on true
    where o.is_online
)
select (select count(*) from headers), (select count(*) from details)
