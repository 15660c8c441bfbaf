-- What generating and trading have in common: chance that the same seed repeats, and what things are called. They belong to
-- the session and vanish with it.

-- a number from 0 to 1, below 1
create or replace function pg_temp.dice(seed text) returns double precision
language sql immutable as
$$ select ('x' || left(md5(seed), 12))::bit(48)::bigint / 281474976710656.0::double precision $$;

-- a whole number from 1 to `sides`
create or replace function pg_temp.roll(seed text, sides integer) returns integer
language sql immutable as
$$ select 1 + floor(pg_temp.dice(seed) * sides)::integer $$;

-- one of the words
create or replace function pg_temp.pick(seed text, words text[]) returns text
language sql immutable as
$$ select words[pg_temp.roll(seed, cardinality(words))] $$;

-- a price, lognormal about `middle`, to the cent
create or replace function pg_temp.price(seed text, middle numeric) returns numeric
language sql immutable as
$$
    select round(middle * exp(1.4 * (
        pg_temp.dice(seed || ' a') + pg_temp.dice(seed || ' b') + pg_temp.dice(seed || ' c') - 1.5
    )::numeric), 2)
$$;

-- a day as people type it: of a hundred, one is no date and one has blanks around it
create or replace function pg_temp.typed(seed text, day date) returns text
language sql immutable as
$$
    select case pg_temp.roll(seed || ' typed', 100)
        when 1 then pg_temp.pick(seed || ' slip', array[
            'TBC', '', 'n/a', 'asap', '0000-00-00',
            to_char(day, 'DD/MM/YYYY'), to_char(day, 'YYYY-02-30'), to_char(day, 'YYYY-13-DD'), to_char(day, 'YYYYMMDD')
        ])
        when 2 then ' ' || day::text || ' '
        else day::text
    end
$$;

-- nobody's: the first digits belong to no bank
create or replace function pg_temp.account(seed text) returns text
language sql immutable as
$$ select '00' || lpad((floor(pg_temp.dice(seed) * 1e8)::bigint)::text, 8, '0') $$;

create or replace function pg_temp.first_name(seed text) returns text
language sql immutable as
$$
    select pg_temp.pick(seed || ' first', array[
        'Ada', 'Basil', 'Cora', 'Dara', 'Edwin', 'Fay', 'Gita', 'Hana', 'Idris', 'Jonas', 'Kira', 'Leon', 'Mina', 'Nils',
        'Olga', 'Pavel', 'Quinn', 'Rosa', 'Sami', 'Tess', 'Uma', 'Viktor', 'Wanda', 'Yara', 'Zeno'
    ])
$$;

create or replace function pg_temp.last_name(seed text) returns text
language sql immutable as
$$
    select pg_temp.pick(seed || ' last a', array['Alder', 'Birch', 'Carr', 'Dell', 'Elm', 'Fern', 'Glen', 'Heath'])
        || pg_temp.pick(seed || ' last b', array['by', 'field', 'ford', 'ham', 'ley', 'man', 'ton', 'wood'])
$$;

create or replace function pg_temp.city_and_country(seed text) returns text[]
language sql immutable as
$$
    select string_to_array(pg_temp.pick(seed || ' city', array[
        'Leeds|United Kingdom', 'Manchester|United Kingdom', 'Bristol|United Kingdom', 'Glasgow|United Kingdom',
        'Lyon|France', 'Nantes|France', 'Bremen|Germany', 'Leipzig|Germany', 'Bologna|Italy', 'Gdansk|Poland',
        'Denver|United States', 'Portland|United States', 'Toronto|Canada', 'Perth|Australia', 'Osaka|Japan'
    ]), '|')
$$;

create or replace function pg_temp.company(seed text) returns text
language sql immutable as
$$
    select pg_temp.pick(seed || ' company a', array['North', 'Silver', 'Harbour', 'Meadow', 'Granite', 'Copper', 'Willow'])
        || pg_temp.pick(seed || ' company b', array['line', 'gate', 'works', 'mark', 'stone', 'craft', 'bridge', 'way'])
        || pg_temp.pick(seed || ' company c', array[' Ltd', ' plc', ' LLC', ' GmbH', ' SARL', ' Trading', ' and Daughters'])
$$;

create or replace function pg_temp.design(seed text) returns text
language sql immutable as
$$
    select pg_temp.pick(seed || ' design a', array['Oaken', 'Ivory', 'Indigo', 'Woven', 'Frosted', 'Amber', 'Slate', 'Linen'])
        || ' ' || pg_temp.pick(seed || ' design b', array['Bag', 'Basket', 'Chair', 'Lamp', 'Tote', 'Tray', 'Vase', 'Shelf'])
$$;

create or replace function pg_temp.item_code(seed text) returns text
language sql immutable as
$$
    select upper(left(md5(seed || ' item'), 2)) || '-' || lpad(pg_temp.roll(seed || ' number', 400)::text, 4, '0')
$$;
