-- %(count)s private customers give a second address for a parcel; as many of those that nothing
-- was ever sent to go again, with their links. Returns the addresses that went.
with
size as (select max(place) as homes from pg_temp.shop_home),
obsolete as materialized (
    select a.addressid
    from person.address as a
    join person.businessentityaddress as b using (addressid)
    where exists (
            select from person.businessentityaddress as own
            where own.businessentityid = b.businessentityid and own.addressid < b.addressid
        )
        and not exists (
            select from person.businessentityaddress as other
            where other.addressid = b.addressid and other.businessentityid <> b.businessentityid
        )
        and not exists (select from sales.salesorderheader as h where h.billtoaddressid = b.addressid)
        and not exists (select from sales.salesorderheader as h where h.shiptoaddressid = b.addressid)
    order by pg_temp.dice(concat_ws(' ', %(seed)s, 'obsolete', a.addressid)), a.addressid
    limit %(count)s
    for update of a skip locked
),
unlinked as (
    delete from person.businessentityaddress as b
    using obsolete as o
    where b.addressid = o.addressid
),
gone as (
    delete from person.address as a
    using obsolete as o
    where a.addressid = o.addressid
    returning a.addressid
),
-- by people who have an address of their own, in towns where others live
parcels as materialized (
    select distinct on (own.businessentityid)
        own.businessentityid,
        nextval(pg_get_serial_sequence('person.address', 'addressid')) as addressid,
        n, towns.street, towns.city, towns.stateprovinceid, towns.postalcode
    from generate_series(1, %(count)s) as n
    cross join size as s
    join pg_temp.shop_home as homes
        on homes.place = 1 + floor(s.homes * pg_temp.dice(concat_ws(' ', %(seed)s, 'who', n)))::bigint
    join pg_temp.shop_home as towns
        on towns.place = 1 + floor(s.homes * pg_temp.dice(concat_ws(' ', %(seed)s, 'where', n)))::bigint
    join person.businessentityaddress as own on own.addressid = homes.addressid
    order by own.businessentityid, n
),
given as (
    insert into person.address (addressid, addressline1, city, stateprovinceid, postalcode, rowguid)
    select
        addressid,
        left((100 + 9900 * pg_temp.dice(concat_ws(' ', %(seed)s, 'parcel', n)))::integer || ' ' || street, 60),
        city, stateprovinceid, postalcode, pg_temp.guid('address', addressid)
    from parcels
),
links as (
    insert into person.businessentityaddress (businessentityid, addressid, addresstypeid, rowguid)
    select
        businessentityid, addressid,
        (select coalesce(max(addresstypeid) filter (where name = 'Shipping'), max(addresstypeid)) from person.addresstype),
        pg_temp.guid('parcel', addressid)
    from parcels
)
select count(*) from gone
