-- Three years of the company that end with the day %(as_of)s, in place of what the tables hold. Rows are deleted, not
-- truncated: of a truncated table the log says nothing about its rows.
delete from public.payment;
delete from public.transaction;
delete from public.sales_order;
delete from public.purchase_order;
delete from public.staff;
delete from public.department;
delete from public.design;
delete from public.counterparty;
delete from public.address;
delete from public.payment_type;
delete from public.currency;

-- the day on which row `n` of `total` was made: more and more as the years go by
create or replace function pg_temp.made_at(seed text, n integer, total integer) returns timestamp(3)
language sql immutable as
$$
    select date_trunc('milliseconds',
        %(as_of)s::date - interval '1095 days'
        + floor(1095 * sqrt(n / (total + 1.0)::double precision)) * interval '1 day'
        + (8 + 9 * pg_temp.dice(seed)) * interval '1 hour'
    )::timestamp(3)
$$;

-- a change comes up to 20 days later, but not after the last day; two in a hundred were written with an earlier clock
create or replace function pg_temp.changed_at(seed text, made timestamp(3)) returns timestamp(3)
language sql immutable as
$$
    select date_trunc('milliseconds', case
        when pg_temp.dice(seed || ' is changed') < 0.02 then made - interval '1 day' * pg_temp.roll(seed || ' back', 40)
        when pg_temp.dice(seed || ' is changed') < 0.3
            then least(made + interval '20 days' * pg_temp.dice(seed || ' later'), %(as_of)s::date + interval '23 hours')
        else made
    end)::timestamp(3)
$$;

create temporary table sizes on commit drop as
select
    greatest(30, 400 * %(scale)s::double precision)::integer as addresses,
    greatest(20, 120 * %(scale)s::double precision)::integer as counterparties,
    greatest(20, 60 * %(scale)s::double precision)::integer as staff,
    greatest(20, 400 * %(scale)s::double precision)::integer as designs,
    greatest(50, 12000 * %(scale)s::double precision)::integer as sales,
    greatest(40, 8000 * %(scale)s::double precision)::integer as purchases;

create temporary table founded on commit drop as
select (%(as_of)s::date - interval '1096 days' + interval '10:02:03.004')::timestamp(3) as at;

insert into public.currency
select ordinality, code, at, at
from unnest(array['GBP', 'USD', 'EUR', 'CAD', 'AUD', 'JPY']) with ordinality as codes (code, ordinality), founded;

insert into public.payment_type
select ordinality, name, at, at
from
    unnest(array['SALES_RECEIPT', 'SALES_REFUND', 'PURCHASE_PAYMENT', 'PURCHASE_REFUND'])
        with ordinality as names (name, ordinality),
    founded;

insert into public.department
select
    ordinality, name,
    case when ordinality <> 7 then (pg_temp.city_and_country(%(seed)s || ' department ' || name))[1] end,
    pg_temp.first_name(%(seed)s || name) || ' ' || pg_temp.last_name(%(seed)s || name),
    at, at
from
    unnest(array['Sales', 'Purchasing', 'Production', 'Dispatch', 'Finance', 'Facilities', 'Communications', 'HR'])
        with ordinality as names (name, ordinality),
    founded;

insert into public.address
select
    n, pg_temp.roll(seed || ' house', 300) || ' ' || pg_temp.pick(seed || ' street', array[
        'Mill Lane', 'Station Road', 'Quay Street', 'Park Row', 'Chapel Hill', 'Bridge Street', 'Foundry Way'
    ]),
    case when pg_temp.dice(seed || ' line 2') < 0.3 then 'Unit ' || pg_temp.roll(seed || ' unit', 40) end,
    case when pg_temp.dice(seed || ' district') < 0.4 then pg_temp.pick(seed || ' which', array[
        'Old Town', 'Docks', 'West End', 'Riverside'
    ]) end,
    place[1], lpad(pg_temp.roll(seed || ' code', 99999)::text, 5, '0'), place[2],
    '+44 1632 96' || lpad(pg_temp.roll(seed || ' phone', 9999)::text, 4, '0'),
    at, pg_temp.changed_at(seed, at)
from
    founded, sizes, generate_series(1, sizes.addresses) as n,
    lateral (select %(seed)s || ' address ' || n as seed) as own,
    lateral pg_temp.city_and_country(seed) as place;

-- a third of the counterparties has nobody for deliveries
insert into public.counterparty
select
    n, pg_temp.company(seed) || case when n > 392 then ' ' || n else '' end, pg_temp.roll(seed || ' address', addresses),
    case when pg_temp.dice(seed || ' has contact') < 0.95
        then pg_temp.first_name(seed || ' c') || ' ' || pg_temp.last_name(seed || ' c') end,
    case when pg_temp.dice(seed || ' has delivery') < 0.67
        then pg_temp.first_name(seed || ' d') || ' ' || pg_temp.last_name(seed || ' d') end,
    at, pg_temp.changed_at(seed, at)
from
    founded, sizes, generate_series(1, sizes.counterparties) as n,
    lateral (select %(seed)s || ' counterparty ' || n as seed) as own;

insert into public.staff
select
    n, first_name, last_name, pg_temp.roll(seed || ' department', 8),
    lower(first_name || '.' || last_name) || n || '@totesys.example', at, pg_temp.changed_at(seed, at)
from
    founded, sizes, generate_series(1, sizes.staff) as n,
    lateral (select %(seed)s || ' staff ' || n as seed) as own,
    lateral (select pg_temp.first_name(seed) as first_name, pg_temp.last_name(seed) as last_name) as person;

insert into public.design
select
    n, name, '/designs/' || pg_temp.pick(seed || ' folder', array['a', 'b', 'c']),
    lower(replace(name, ' ', '-')) || '-' || n || '.json', made, pg_temp.changed_at(seed, made)
from
    sizes, generate_series(1, sizes.designs) as n,
    lateral (
        select %(seed)s || ' design ' || n as seed, pg_temp.design(%(seed)s || ' design ' || n) as name
    ) as own,
    lateral pg_temp.made_at(seed, n, 4 * designs) as made;

-- an order in four hundred is delivered to an address that is not there (yet, or no longer)
insert into public.sales_order
select
    n, pg_temp.roll(seed || ' design', designs), pg_temp.roll(seed || ' staff', staff),
    pg_temp.roll(seed || ' counterparty', counterparties),
    pg_temp.roll(seed || ' units', 1000), pg_temp.price(seed, 4), pg_temp.roll(seed || ' currency', 6),
    pg_temp.typed(seed || ' delivery', made::date + pg_temp.roll(seed || ' delivered', 12)),
    pg_temp.typed(seed || ' payment', made::date + pg_temp.roll(seed || ' pays', 30)),
    pg_temp.roll(seed || ' to', addresses) + case when pg_temp.roll(seed || ' astray', 400) = 1 then 1000000 else 0 end,
    made, pg_temp.changed_at(seed, made)
from
    sizes, generate_series(1, sizes.sales) as n,
    lateral (select %(seed)s || ' sale ' || n as seed) as own,
    lateral pg_temp.made_at(seed, n, sales) as made;

insert into public.purchase_order
select
    n, pg_temp.roll(seed || ' staff', staff), pg_temp.roll(seed || ' counterparty', counterparties),
    pg_temp.item_code(seed), pg_temp.roll(seed || ' quantity', 600), pg_temp.price(seed, 60),
    pg_temp.roll(seed || ' currency', 6),
    pg_temp.typed(seed || ' delivery', made::date + pg_temp.roll(seed || ' delivered', 12)),
    pg_temp.typed(seed || ' payment', made::date + pg_temp.roll(seed || ' pays', 30)),
    pg_temp.roll(seed || ' to', addresses) + case when pg_temp.roll(seed || ' astray', 400) = 1 then 1000000 else 0 end,
    made, pg_temp.changed_at(seed, made)
from
    sizes, generate_series(1, sizes.purchases) as n,
    lateral (select %(seed)s || ' purchase ' || n as seed) as own,
    lateral pg_temp.made_at(seed, n, purchases) as made;

-- each order has a transaction, numbered in the order of the days
insert into public.transaction
select
    row_number() over (order by created_at, kind, id), kind, case when kind = 'SALE' then id end,
    case when kind = 'PURCHASE' then id end, created_at, created_at
from (
    select 'SALE' as kind, sales_order_id as id, created_at from public.sales_order
    union all
    select 'PURCHASE', purchase_order_id, created_at from public.purchase_order
) as orders;

-- and a payment of its whole amount: paid when its day has come, save the one in twenty that is late
insert into public.payment
select
    t.transaction_id, t.transaction_id, o.counterparty_id, round(o.amount, 2), o.currency_id,
    case t.transaction_type when 'SALE' then 1 else 3 end, paid,
    pg_temp.typed(seed || ' payment', due), pg_temp.account('company ' || o.currency_id),
    pg_temp.account(%(seed)s || ' account ' || o.counterparty_id), t.created_at,
    case when paid then pg_temp.changed_at(seed, least(
        greatest(t.created_at, due + interval '15:30:00.123'), %(as_of)s::date + interval '23 hours'
    )::timestamp(3)) else t.created_at end
from public.transaction as t
inner join (
    select
        'SALE' as kind, sales_order_id as id, counterparty_id, currency_id, units_sold * unit_price as amount
    from public.sales_order
    union all
    select 'PURCHASE', purchase_order_id, counterparty_id, currency_id, item_quantity * item_unit_price
    from public.purchase_order
) as o on o.kind = t.transaction_type and o.id = coalesce(t.sales_order_id, t.purchase_order_id)
cross join lateral (select %(seed)s || ' paid ' || t.transaction_id as seed) as own
cross join lateral (select t.created_at::date + pg_temp.roll(seed || ' pays', 30) as due) as agreed
cross join lateral (select due <= %(as_of)s::date and pg_temp.dice(seed || ' late') < 0.95 as paid) as state;

-- one in two hundred sales comes back in part
insert into public.payment
select
    (select max(payment_id) from public.payment) + row_number() over (order by p.payment_id), p.transaction_id,
    p.counterparty_id, round(p.payment_amount * 0.2, 2), p.currency_id, p.payment_type_id + 1, true,
    (p.last_updated::date + 1)::text, p.company_ac_number, p.counterparty_ac_number, p.last_updated, p.last_updated
from public.payment as p
where p.paid and pg_temp.roll(%(seed)s || ' refund ' || p.payment_id, 200) = 1;

select setval(pg_get_serial_sequence('public.' || name, name || '_id'), greatest)
from (
    select 'address', max(address_id) from public.address
    union all select 'counterparty', max(counterparty_id) from public.counterparty
    union all select 'currency', max(currency_id) from public.currency
    union all select 'department', max(department_id) from public.department
    union all select 'design', max(design_id) from public.design
    union all select 'staff', max(staff_id) from public.staff
    union all select 'sales_order', max(sales_order_id) from public.sales_order
    union all select 'purchase_order', max(purchase_order_id) from public.purchase_order
    union all select 'payment_type', max(payment_type_id) from public.payment_type
    union all select 'transaction', max(transaction_id) from public.transaction
    union all select 'payment', max(payment_id) from public.payment
) as greatest_keys (name, greatest);

analyze;
