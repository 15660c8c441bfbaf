-- Up to %(count)s private customers move within their sales territory. The address row changes in place: the source
-- keeps no history of addresses.
with
size as (select max(place) as homes from pg_temp.shop_home),
picked as (
    select distinct on (h.addressid) h.addressid, h.territoryid, h.number_in_territory
    from generate_series(1, %(count)s) as n
    cross join size as s
    join pg_temp.shop_home as h
        on h.place = 1 + floor(s.homes * pg_temp.dice(concat_ws(' ', %(seed)s, 'move', n)))::bigint
    order by h.addressid
),
movers as materialized (
    select p.*
    from picked as p
    join person.address as a using (addressid)
    for no key update of a skip locked
),
moved as (
    update person.address as a
    set
        addressline1 = left(
            (100 + 9900 * pg_temp.dice(concat_ws(' ', %(seed)s, 'house', m.addressid)))::integer || ' ' || t.street, 60
        ),
        addressline2 = null,
        city = t.city,
        stateprovinceid = t.stateprovinceid,
        postalcode = t.postalcode,
        spatiallocation = null
    from movers as m
    join pg_temp.shop_home as t
        on t.territoryid = m.territoryid
        and t.place_in_territory = 1 + floor(
            m.number_in_territory * pg_temp.dice(concat_ws(' ', %(seed)s, 'town', m.addressid))
        )::bigint
    where a.addressid = m.addressid
    returning a.addressid
)
select count(*) from moved
