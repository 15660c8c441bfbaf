-- %(count)s people register: names, towns and card types as the shop's customers have them. Returns their customer ids.
with
sizes as (
    select
        (select max(place) from pg_temp.shop_person) as people,
        (select max(place) from pg_temp.shop_home) as homes
),
drawn as (
    select
        n,
        first_names.firstname,
        last_names.lastname,
        (100 + 9900 * pg_temp.dice(concat_ws(' ', %(seed)s, 'house', n)))::integer || ' ' || streets.street
            as addressline1,
        towns.city,
        towns.stateprovinceid,
        towns.postalcode,
        towns.territoryid
    from generate_series(1, %(count)s) as n
    cross join sizes as s
    join pg_temp.shop_person as first_names
        on first_names.place = 1 + floor(s.people * pg_temp.dice(concat_ws(' ', %(seed)s, 'first', n)))::bigint
    join pg_temp.shop_person as last_names
        on last_names.place = 1 + floor(s.people * pg_temp.dice(concat_ws(' ', %(seed)s, 'last', n)))::bigint
    join pg_temp.shop_home as streets
        on streets.place = 1 + floor(s.homes * pg_temp.dice(concat_ws(' ', %(seed)s, 'street', n)))::bigint
    join pg_temp.shop_home as towns
        on towns.place = 1 + floor(s.homes * pg_temp.dice(concat_ws(' ', %(seed)s, 'town', n)))::bigint
),
newcomers as materialized (
    select
        *,
        nextval(pg_get_serial_sequence('person.businessentity', 'businessentityid')) as businessentityid,
        nextval(pg_get_serial_sequence('person.address', 'addressid')) as addressid,
        nextval(pg_get_serial_sequence('sales.customer', 'customerid')) as customerid,
        nextval(pg_get_serial_sequence('sales.creditcard', 'creditcardid')) as creditcardid
    from (select * from drawn order by n) as in_turn
),
entities as (
    insert into person.businessentity (businessentityid, rowguid)
    select businessentityid, pg_temp.guid('entity', businessentityid) from newcomers
),
persons as (
    insert into person.person (businessentityid, persontype, namestyle, firstname, lastname, emailpromotion, rowguid)
    select
        businessentityid, 'IN', false, firstname, lastname,
        floor(3 * pg_temp.dice(concat_ws(' ', %(seed)s, 'promotion', n)))::integer,
        pg_temp.guid('person', businessentityid)
    from newcomers
),
emails as (
    insert into person.emailaddress (businessentityid, emailaddress, rowguid)
    select
        businessentityid,
        lower(left(regexp_replace(firstname, '[^A-Za-z]', '', 'g'), 20)) || businessentityid || '@adventure-works.com',
        pg_temp.guid('email', businessentityid)
    from newcomers
),
phones as (
    insert into person.personphone (businessentityid, phonenumber, phonenumbertypeid)
    select
        businessentityid,
        (200 + floor(800 * pg_temp.dice(concat_ws(' ', %(seed)s, 'area', n))))::integer || '-555-01'
            || lpad(floor(100 * pg_temp.dice(concat_ws(' ', %(seed)s, 'phone', n)))::text, 2, '0'),
        (select min(phonenumbertypeid) from person.phonenumbertype)
    from newcomers
),
addresses as (
    insert into person.address (addressid, addressline1, city, stateprovinceid, postalcode, rowguid)
    select addressid, left(addressline1, 60), city, stateprovinceid, postalcode, pg_temp.guid('address', addressid)
    from newcomers
),
residences as (
    insert into person.businessentityaddress (businessentityid, addressid, addresstypeid, rowguid)
    select
        businessentityid, addressid,
        (select coalesce(min(addresstypeid) filter (where name = 'Home'), min(addresstypeid)) from person.addresstype),
        pg_temp.guid('residence', addressid)
    from newcomers
),
cards as (
    insert into sales.creditcard (creditcardid, cardtype, cardnumber, expmonth, expyear)
    select
        creditcardid,
        (array['SuperiorCard', 'Distinguish', 'ColonialVoice', 'Vista'])[
            1 + floor(4 * pg_temp.dice(concat_ws(' ', %(seed)s, 'card', n)))
        ],
        '1111' || lpad(creditcardid::text, 10, '0'),
        1 + floor(12 * pg_temp.dice(concat_ws(' ', %(seed)s, 'month', n))),
        extract(year from %(day)s::date) + 3
    from newcomers
),
wallets as (
    insert into sales.personcreditcard (businessentityid, creditcardid)
    select businessentityid, creditcardid from newcomers
),
customers as (
    insert into sales.customer (customerid, personid, territoryid, rowguid)
    select customerid, businessentityid, territoryid, pg_temp.guid('customer', customerid) from newcomers
),
regulars as (
    insert into pg_temp.shop_customer (
        customerid, is_online, addressid, stateprovinceid, countryregioncode, territoryid, creditcardid, place
    )
    select
        c.customerid, true, c.addressid, c.stateprovinceid, s.countryregioncode, c.territoryid, c.creditcardid,
        (select max(q.place) from pg_temp.shop_customer as q where q.is_online) + c.n
    from newcomers as c
    join person.stateprovince as s using (stateprovinceid)
)
select coalesce(array_agg(customerid order by n), '{}') from newcomers
