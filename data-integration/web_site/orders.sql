-- grain: one row per online order that the log does not know yet; its value is what it is now, before later corrections
select
    h.salesorderid as order_id,
    h.orderdate::date as order_day,
    h.customerid as customer_id,
    trim(s.countryregioncode) as country,
    round(coalesce(l.total, h.subtotal), 4)::numeric(18, 4) as order_value,
    coalesce(l.products, array[0]) as products
from sales.salesorderheader as h
join person.address as a on a.addressid = h.shiptoaddressid
join person.stateprovince as s on s.stateprovinceid = a.stateprovinceid
left join (
    select
        salesorderid,
        sum(unitprice * (1 - unitpricediscount) * orderqty) as total,
        array_agg(productid order by salesorderdetailid) as products
    from sales.salesorderdetail
    where salesorderid > %(after)s
    group by salesorderid
) as l using (salesorderid)
where h.onlineorderflag and h.salesorderid > %(after)s
