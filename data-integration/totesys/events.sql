-- What happens in the company, one event at a time. Each returns how many rows it inserted, changed or deleted; 0 when there
-- was nobody to do it to. Rows that another session holds are passed over, so any number of sessions may trade.

create or replace function pg_temp.now_ms() returns timestamp(3)
language sql volatile as
$$ select date_trunc('milliseconds', clock_timestamp() at time zone 'UTC')::timestamp(3) $$;

-- a number up to the greatest key, from which the next row is looked for
create or replace function pg_temp.start_at(seed text, highest integer) returns integer
language sql immutable as
$$ select pg_temp.roll(seed || ' start', coalesce(highest, 1)) $$;

create or replace function pg_temp.new_sales_order(seed text) returns integer
language sql volatile as
$$
    with made as (select pg_temp.now_ms() as at),
    sold as (
        insert into public.sales_order (
            design_id, staff_id, counterparty_id, units_sold, unit_price, currency_id,
            agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id, created_at, last_updated
        )
        select
            d.design_id, s.staff_id, c.counterparty_id, pg_temp.roll(seed || ' units', 1000), pg_temp.price(seed, 4),
            pg_temp.roll(seed || ' currency', 6),
            pg_temp.typed(seed || ' delivery', at::date + pg_temp.roll(seed || ' delivered', 12)),
            pg_temp.typed(seed || ' payment', at::date + pg_temp.roll(seed || ' pays', 30)),
            c.legal_address_id, at, at
        from made
        cross join lateral (
            select design_id from public.design
            where design_id >= pg_temp.start_at(seed || 'd', (select max(design_id) from public.design))
            order by design_id limit 1
        ) as d
        cross join lateral (
            select staff_id from public.staff
            where staff_id >= pg_temp.start_at(seed || 's', (select max(staff_id) from public.staff))
            order by staff_id limit 1
        ) as s
        cross join lateral (
            select counterparty_id, legal_address_id from public.counterparty
            where counterparty_id >= pg_temp.start_at(seed || 'c', (select max(counterparty_id) from public.counterparty))
            order by counterparty_id limit 1
        ) as c
        returning *
    ),
    noted as (
        insert into public.transaction (transaction_type, sales_order_id, created_at, last_updated)
        select 'SALE', sales_order_id, created_at, last_updated from sold
        returning transaction_id, sales_order_id
    ),
    owed as (
        insert into public.payment (
            transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id, paid, payment_date,
            company_ac_number, counterparty_ac_number, created_at, last_updated
        )
        select
            n.transaction_id, o.counterparty_id, round(o.units_sold * o.unit_price, 2), o.currency_id, 1, false,
            o.agreed_payment_date, pg_temp.account('company ' || o.currency_id),
            pg_temp.account('account ' || o.counterparty_id), o.created_at, o.last_updated
        from noted as n inner join sold as o using (sales_order_id)
        returning 1
    )
    select ((select count(*) from sold) + (select count(*) from noted) + (select count(*) from owed))::integer
$$;

create or replace function pg_temp.new_purchase_order(seed text) returns integer
language sql volatile as
$$
    with made as (select pg_temp.now_ms() as at),
    bought as (
        insert into public.purchase_order (
            staff_id, counterparty_id, item_code, item_quantity, item_unit_price, currency_id,
            agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id, created_at, last_updated
        )
        select
            s.staff_id, c.counterparty_id, pg_temp.item_code(seed), pg_temp.roll(seed || ' quantity', 600),
            pg_temp.price(seed, 60), pg_temp.roll(seed || ' currency', 6),
            pg_temp.typed(seed || ' delivery', at::date + pg_temp.roll(seed || ' delivered', 12)),
            pg_temp.typed(seed || ' payment', at::date + pg_temp.roll(seed || ' pays', 30)),
            c.legal_address_id, at, at
        from made
        cross join lateral (
            select staff_id from public.staff
            where staff_id >= pg_temp.start_at(seed || 's', (select max(staff_id) from public.staff))
            order by staff_id limit 1
        ) as s
        cross join lateral (
            select counterparty_id, legal_address_id from public.counterparty
            where counterparty_id >= pg_temp.start_at(seed || 'c', (select max(counterparty_id) from public.counterparty))
            order by counterparty_id limit 1
        ) as c
        returning *
    ),
    noted as (
        insert into public.transaction (transaction_type, purchase_order_id, created_at, last_updated)
        select 'PURCHASE', purchase_order_id, created_at, last_updated from bought
        returning transaction_id, purchase_order_id
    ),
    owed as (
        insert into public.payment (
            transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id, paid, payment_date,
            company_ac_number, counterparty_ac_number, created_at, last_updated
        )
        select
            n.transaction_id, o.counterparty_id, round(o.item_quantity * o.item_unit_price, 2), o.currency_id, 3, false,
            o.agreed_payment_date, pg_temp.account('company ' || o.currency_id),
            pg_temp.account('account ' || o.counterparty_id), o.created_at, o.last_updated
        from noted as n inner join bought as o using (purchase_order_id)
        returning 1
    )
    select ((select count(*) from bought) + (select count(*) from noted) + (select count(*) from owed))::integer
$$;

create or replace function pg_temp.pay(seed text) returns integer
language sql volatile as
$$
    with due as (
        select payment_id from public.payment where not paid order by md5(seed || payment_id) limit 1
        for no key update skip locked
    ),
    done as (
        update public.payment as p
        set paid = true, payment_date = pg_temp.now_ms()::date::text, last_updated = pg_temp.now_ms()
        from due where p.payment_id = due.payment_id
        returning 1
    )
    select count(*)::integer from done
$$;

create or replace function pg_temp.change_sales_order(seed text) returns integer
language sql volatile as
$$
    with chosen as (
        select sales_order_id from public.sales_order
        where sales_order_id >= pg_temp.start_at(seed, (select max(sales_order_id) from public.sales_order))
        order by sales_order_id limit 1
        for no key update skip locked
    ),
    done as (
        update public.sales_order as o
        set
            units_sold = o.units_sold + pg_temp.roll(seed || ' more', 20),
            unit_price = o.unit_price + 0.01,
            agreed_delivery_date = pg_temp.typed(seed, pg_temp.now_ms()::date + pg_temp.roll(seed || ' moved', 20)),
            last_updated = pg_temp.now_ms()
        from chosen where o.sales_order_id = chosen.sales_order_id
        returning 1
    )
    select count(*)::integer from done
$$;

create or replace function pg_temp.change_purchase_order(seed text) returns integer
language sql volatile as
$$
    with chosen as (
        select purchase_order_id from public.purchase_order
        where purchase_order_id >= pg_temp.start_at(seed, (select max(purchase_order_id) from public.purchase_order))
        order by purchase_order_id limit 1
        for no key update skip locked
    ),
    done as (
        update public.purchase_order as o
        set item_quantity = o.item_quantity + pg_temp.roll(seed || ' more', 20), last_updated = pg_temp.now_ms()
        from chosen where o.purchase_order_id = chosen.purchase_order_id
        returning 1
    )
    select count(*)::integer from done
$$;

-- a correction from a program whose clock, or whose copy of the row, is old: last_updated moves backwards
create or replace function pg_temp.correct_backdated(seed text) returns integer
language sql volatile as
$$
    with chosen as (
        select sales_order_id from public.sales_order
        where sales_order_id >= pg_temp.start_at(seed, (select max(sales_order_id) from public.sales_order))
        order by sales_order_id limit 1
        for no key update skip locked
    ),
    done as (
        update public.sales_order as o
        set unit_price = o.unit_price + 0.05, last_updated = o.last_updated - interval '1 day' * pg_temp.roll(seed || ' back', 40)
        from chosen where o.sales_order_id = chosen.sales_order_id
        returning 1
    )
    select count(*)::integer from done
$$;

-- a purchase that nothing was paid for is cancelled: it goes, with its transaction and payment
create or replace function pg_temp.cancel_purchase_order(seed text) returns integer
language sql volatile as
$$
    with chosen as (
        select p.payment_id, p.transaction_id, t.purchase_order_id
        from public.payment as p
        inner join public.transaction as t on t.transaction_id = p.transaction_id
        where
            not p.paid and t.transaction_type = 'PURCHASE'
            and not exists (
                select from public.payment as other
                where other.transaction_id = p.transaction_id and other.payment_id <> p.payment_id
            )
        order by md5(seed || p.payment_id) limit 1
        for update of p, t skip locked
    ),
    payments as (delete from public.payment as p using chosen where p.payment_id = chosen.payment_id returning 1),
    transactions as (
        delete from public.transaction as t using chosen where t.transaction_id = chosen.transaction_id returning 1
    ),
    orders as (
        delete from public.purchase_order as o using chosen where o.purchase_order_id = chosen.purchase_order_id returning 1
    )
    select ((select count(*) from payments) + (select count(*) from transactions) + (select count(*) from orders))::integer
$$;

create or replace function pg_temp.change_contact(seed text) returns integer
language sql volatile as
$$
    with chosen as (
        select counterparty_id from public.counterparty order by md5(seed || counterparty_id) limit 1
        for no key update skip locked
    ),
    done as (
        update public.counterparty as c
        set
            delivery_contact = case when pg_temp.dice(seed || ' anybody') < 0.5
                then pg_temp.first_name(seed) || ' ' || pg_temp.last_name(seed) end,
            last_updated = pg_temp.now_ms()
        from chosen where c.counterparty_id = chosen.counterparty_id
        returning 1
    )
    select count(*)::integer from done
$$;

create or replace function pg_temp.move_address(seed text) returns integer
language sql volatile as
$$
    with chosen as (
        select address_id from public.address order by md5(seed || address_id) limit 1
        for no key update skip locked
    ),
    done as (
        update public.address as a
        set
            address_line_1 = pg_temp.roll(seed || ' house', 300) || ' New Street', address_line_2 = null,
            city = (pg_temp.city_and_country(seed))[1], country = (pg_temp.city_and_country(seed))[2],
            last_updated = pg_temp.now_ms()
        from chosen where a.address_id = chosen.address_id
        returning 1
    )
    select count(*)::integer from done
$$;

create or replace function pg_temp.transfer_staff(seed text) returns integer
language sql volatile as
$$
    with chosen as (
        select staff_id from public.staff order by md5(seed || staff_id) limit 1
        for no key update skip locked
    ),
    done as (
        update public.staff as s
        set department_id = 1 + s.department_id % 8, last_updated = pg_temp.now_ms()
        from chosen where s.staff_id = chosen.staff_id
        returning 1
    )
    select count(*)::integer from done
$$;

create or replace function pg_temp.new_counterparty(seed text) returns integer
language sql volatile as
$$
    with done as (
        insert into public.counterparty (
            counterparty_legal_name, legal_address_id, commercial_contact, delivery_contact, created_at, last_updated
        )
        select
            pg_temp.company(seed), pg_temp.roll(seed || ' address', (select max(address_id) from public.address)),
            pg_temp.first_name(seed) || ' ' || pg_temp.last_name(seed), null, at, at
        from pg_temp.now_ms() as at
        returning 1
    )
    select count(*)::integer from done
$$;

create or replace function pg_temp.new_design(seed text) returns integer
language sql volatile as
$$
    with done as (
        insert into public.design (design_name, file_location, file_name, created_at, last_updated)
        select pg_temp.design(seed), '/designs/new', lower(replace(pg_temp.design(seed), ' ', '-')) || '.json', at, at
        from pg_temp.now_ms() as at
        returning 1
    )
    select count(*)::integer from done
$$;
