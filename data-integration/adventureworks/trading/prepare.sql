-- What events are drawn from, each row with its place in a queue: customers by channel, a shelf on which a product
-- is as often as it was sold of late (and once anyhow), names, homes of private customers by sales territory; and
-- currency rates. Temporary, of this session.
create or replace function pg_temp.dice(what text) returns double precision language sql immutable as
$$ select (hashtextextended(what, 0) & 1073741823)::double precision / 1073741824 $$;

create or replace function pg_temp.guid(what text, id bigint) returns uuid language sql immutable as
$$ select md5(what || ' ' || id)::uuid $$;

drop table if exists pg_temp.shop_customer;
create temp table shop_customer as
with
homes as (
    select businessentityid, min(addressid) as addressid
    from person.businessentityaddress
    group by businessentityid
),
wallets as (
    select businessentityid, max(creditcardid) as creditcardid
    from sales.personcreditcard
    group by businessentityid
)
select
    c.customerid,
    c.storeid is null as is_online,
    h.addressid,
    a.stateprovinceid,
    s.countryregioncode,
    coalesce(c.territoryid, s.territoryid) as territoryid,
    store.salespersonid,
    w.creditcardid,
    row_number() over (partition by c.storeid is null order by c.customerid) as place
from sales.customer as c
join homes as h on h.businessentityid = coalesce(c.storeid, c.personid)
join person.address as a using (addressid)
join person.stateprovince as s using (stateprovinceid)
left join sales.store on store.businessentityid = c.storeid
left join wallets as w on w.businessentityid = c.personid
where c.personid is not null and (c.storeid is null or store.salespersonid is not null);
create index on pg_temp.shop_customer (is_online, place);
create index on pg_temp.shop_customer (customerid);

drop table if exists pg_temp.shop_shelf;
create temp table shop_shelf as
with
sellable as (
    select p.productid
    from production.product as p
    where p.productsubcategoryid is not null and p.listprice > 0
        and p.sellstartdate <= %(day)s and (p.sellenddate is null or p.sellenddate >= %(day)s)
        and exists (
            select from sales.specialofferproduct as o
            where o.productid = p.productid
                and o.specialofferid = (select min(specialofferid) from sales.specialoffer where discountpct = 0)
        )
),
-- first the orders, then what is still for sale: the other way round reads every line ever sold
recent as materialized (
    select h.onlineorderflag as is_online, l.productid
    from sales.salesorderheader as h
    join sales.salesorderdetail as l using (salesorderid)
    where h.orderdate >= %(day)s::date - 120
),
goods as (
    select is_online, productid from recent join sellable using (productid)
    union all
    select is_online, productid from sellable cross join (values (true), (false)) as channel (is_online)
)
select is_online, productid, row_number() over (partition by is_online order by productid) as place
from goods;
create index on pg_temp.shop_shelf (is_online, place);

drop table if exists pg_temp.shop_person;
create temp table shop_person as
select firstname, lastname, row_number() over (order by businessentityid) as place
from person.person
where persontype = 'IN' and firstname <> 'Erased';
create index on pg_temp.shop_person (place);

drop table if exists pg_temp.shop_home;
create temp table shop_home as
select
    c.addressid, s.territoryid,
    regexp_replace(a.addressline1, '^[0-9]+ *', '') as street, a.city, a.stateprovinceid, a.postalcode,
    row_number() over (order by c.customerid) as place,
    row_number() over (partition by s.territoryid order by c.customerid) as place_in_territory,
    count(*) over (partition by s.territoryid) as number_in_territory
from shop_customer as c
join person.address as a using (addressid)
join person.stateprovince as s on s.stateprovinceid = a.stateprovinceid
where c.is_online;
create index on pg_temp.shop_home (place);
create index on pg_temp.shop_home (territoryid, place_in_territory);

-- the latest rate, where the country has another currency than the shop
drop table if exists pg_temp.shop_rate;
create temp table shop_rate as
select c.countryregioncode, max(r.currencyrateid) as currencyrateid
from sales.countryregioncurrency as c
join sales.currencyrate as r on r.tocurrencycode = c.currencycode and r.fromcurrencycode = 'USD'
where c.currencycode <> 'USD'
    and r.currencyratedate = (select max(currencyratedate) from sales.currencyrate where currencyratedate <= %(day)s)
group by c.countryregioncode;

analyze pg_temp.shop_customer;
analyze pg_temp.shop_person;
analyze pg_temp.shop_home;
analyze pg_temp.shop_shelf
