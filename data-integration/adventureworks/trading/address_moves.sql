-- %(count)s private customers move within their sales territory. The address row changes in place: the source keeps no
-- history of addresses.
with
movers as materialized (
    select a.addressid, a.addressline1, s.territoryid
    from person.address as a
    join person.stateprovince as s using (stateprovinceid)
    where exists (
        select from person.businessentityaddress as b
        join sales.customer as c on c.personid = b.businessentityid and c.storeid is null
        where b.addressid = a.addressid
    )
    order by pg_temp.dice(concat_ws(' ', %(seed)s, 'move', a.addressid)), a.addressid
    limit %(count)s
    for no key update of a skip locked
),
towns as (
    select
        s.territoryid, a.city, a.stateprovinceid, a.postalcode, a.addressline1,
        row_number() over (partition by s.territoryid order by a.addressid) as place,
        count(*) over (partition by s.territoryid) as number
    from person.address as a
    join person.stateprovince as s using (stateprovinceid)
),
moved as (
    update person.address as a
    set
        addressline1 = left(
            (100 + 9900 * pg_temp.dice(concat_ws(' ', %(seed)s, 'house', m.addressid)))::integer || ' '
            || regexp_replace(t.addressline1, '^[0-9]+ *', ''), 60
        ),
        addressline2 = null,
        city = t.city,
        stateprovinceid = t.stateprovinceid,
        postalcode = t.postalcode,
        spatiallocation = null
    from movers as m
    join towns as t
        on t.territoryid = m.territoryid
        and t.place = 1 + floor(t.number * pg_temp.dice(concat_ws(' ', %(seed)s, 'town', m.addressid)))
    where a.addressid = m.addressid
    returning a.addressid
)
select count(*) from moved
