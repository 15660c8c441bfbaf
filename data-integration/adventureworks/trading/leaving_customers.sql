-- %(count)s private customers who have not ordered for a year want to be forgotten: their customer ids. Only those whose
-- own address and card orders refer to, so that another shop that still counts on them finds both.
with
quiet as materialized (
    select customerid, max(salesorderid) as salesorderid
    from sales.salesorderheader
    where onlineorderflag
    group by customerid
    having max(orderdate) < %(day)s::date - 365
)
select coalesce(array_agg(customerid), '{}')
from (
    select c.customerid
    from pg_temp.shop_customer as c
    join quiet as q using (customerid)
    join sales.salesorderheader as h using (salesorderid)
    join sales.customer as k on k.customerid = c.customerid
    join person.emailaddress as e on e.businessentityid = k.personid
    where c.is_online and h.billtoaddressid = c.addressid and h.creditcardid is not distinct from c.creditcardid
    order by pg_temp.dice(concat_ws(' ', %(seed)s, 'leave', c.customerid)), c.customerid
    limit %(count)s
) as leaving
