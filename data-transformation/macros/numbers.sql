{#- Arithmetic that is exact on every warehouse. -#}

{#-
    The one division of the project: numerator / denominator, rounded half away from zero to `decimals`, as
    decimal(38, decimals), which holds any ratio of two amounts. Null when the denominator is 0 or either is null.
-#}
{% macro divide(numerator, denominator, decimals=4) -%}
    {%- set dividend = 'abs(cast(' ~ numerator ~ ' as decimal(38, 8)))' -%}
    {%- set divisor = 'abs(cast(' ~ denominator ~ ' as decimal(38, 8)))' -%}
    {%- set units = '(cast(' ~ dividend ~ ' as double) / nullif(cast(' ~ divisor ~ ' as double), 0) * ' ~ 10 ** decimals ~ ')' -%}
    case
        when {{ units }} < 100000000000 and {{ dividend }} < 10000000000 then {{ sign_of_ratio(numerator, denominator) }}
            * {{ nearest(units, dividend ~ ' * ' ~ 2 * 10 ** decimals, divisor, decimals, 38) }}
        else {{ exact_ratio(numerator, denominator, decimals) }}
    end
{%- endmacro %}

{#- How much of one currency another is worth, from what a third is worth in both: 10 decimals, of which a float has 15 digits right. -#}
{% macro cross_rate(numerator, denominator) -%}
    cast(cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0) as decimal(28, 10))
{%- endmacro %}

{% macro sign_of_ratio(numerator, denominator) -%}
    case when ({{ numerator }} < 0) <> ({{ denominator }} < 0) then -1 else 1 end
{%- endmacro %}

{#-
    `units`, a float that is no more than a thousandth off, to the nearest whole number, as a decimal that counts in units of
    its last digit. What is about half is decided by amounts: `twice` is twice the units, times `divisor`, to the last digit.
    Whole numbers of 128 bits, divided, cost 30 times as much.
-#}
{% macro nearest(units, twice, divisor, decimals, digits) -%}
    cast((
        floor({{ units }})
        + case when {{ twice }} >= cast(2 * floor({{ units }}) + 1 as decimal(18, 0)) * {{ divisor }} then 1 else 0 end
    ) / {{ 10 ** decimals }} as decimal({{ digits }}, {{ decimals }}))
{%- endmacro %}

{#-
    The same for any amounts: it divides whole numbers, because `/` gives a float on DuckDB and six more digits on Snowflake;
    first those of the amounts, then what is left over, so that no product is larger than the denominator with its decimals.
    Amounts count to 8 decimals, or to 1 where the denominator has 22 digits or more: products have 38 (with 6 decimals).
-#}
{% macro exact_ratio(numerator, denominator, decimals) -%}
    {%- set is_long = 'abs(' ~ denominator ~ ') >= cast(1e21 as decimal(38, 8))' -%}
    {%- set dividend = whole_amount(numerator, is_long) -%}
    {%- set divisor = whole_amount(denominator, is_long) -%}
    {%- set rest = 'mod(' ~ dividend ~ ', nullif(' ~ divisor ~ ', 0))' -%}
    {%- set twice_rest = '2 * ' ~ 10 ** decimals ~ ' * ' ~ rest -%}
    cast(
        {{ sign_of_ratio(numerator, denominator) }}
        * (
            cast({{ whole_quotient(dividend, divisor) }} as decimal(38, {{ decimals }}))
            + cast({{ whole_quotient(twice_rest ~ ' + ' ~ divisor, '2 * ' ~ divisor) }}
            * {{ '%.*f' % (decimals, 10 ** -decimals) }} as decimal(38, {{ decimals }}))
        ) as decimal(38, {{ decimals }})
    )
{%- endmacro %}

{#- (The sign goes first: rounded down, the least amount of a type has no room in it.) -#}
{% macro whole_amount(amount, is_long) -%}
    {%- set size = 'abs(' ~ amount ~ ')' -%}
    (case when {{ is_long }} then {{ as_whole_number(size, 1) }} else {{ as_whole_number(size, 8) }} end)
{%- endmacro %}

{#-
    The part of `amount` that falls to `weight` of `total`, rounded half away from zero to 4 decimals. Weights are not
    negative, so no part is greater than the amount. Null when the total is 0 (there is nothing to weigh by).
    Weights count to 8 decimals, or by 10,000 where their total is 10,000,000,000 or more: products have 38 digits.
-#}
{% macro share_of(amount, weight, total) -%}
    {%- set units = '(abs(cast(' ~ amount ~ ' as double)) * cast(' ~ weight ~ ' as double) / nullif(cast(' ~ total ~ ' as double), 0) * 10000)' -%}
    case
        when {{ units }} < 100000000000 and {{ total }} < 10000000000
            then case when {{ amount }} < 0 then -1 else 1 end * {{ nearest(
                units, '2 * cast(abs(' ~ amount ~ ') as decimal(38, 4)) * ' ~ weight, '0.0001 * cast(' ~ total ~ ' as decimal(38, 8))', 4, 18
            ) }}
        else {{ exact_share_of(amount, weight, total) }}
    end
{%- endmacro %}

{% macro exact_share_of(amount, weight, total) -%}
    {%- set unit = '(case when (' ~ total ~ ') < 10000000000 then 100000000 else 0.0001 end)' -%}
    {%- set part = 'cast(cast(' ~ weight ~ ' as decimal(38, 8)) * ' ~ unit ~ ' as decimal(37, 0))' -%}
    {%- set whole = 'cast(cast(' ~ total ~ ' as decimal(38, 8)) * ' ~ unit ~ ' as decimal(37, 0))' -%}
    {%- set dividend = 'abs(' ~ as_whole_number(amount, 4) ~ ') * ' ~ part -%}
    cast(
        case when {{ amount }} < 0 then -1 else 1 end
        * {{ whole_quotient('2 * ' ~ dividend ~ ' + ' ~ whole, '2 * ' ~ whole) }}
        * 0.0001 as decimal(18, 4)
    )
{%- endmacro %}

{#- The exact product of amounts and quantities: the first has room for all digits of a decimal, and the others follow. -#}
{% macro product(factors) -%}
    cast({{ factors[0] }} as decimal(38, 4)) * {{ factors[1:] | join(' * ') }}
{%- endmacro %}

{#- A number in units of its last decimal: before the point and after it apart, since both in one have too many digits. -#}
{% macro as_whole_number(number, decimals) -%}
    {{ return(adapter.dispatch('as_whole_number')('cast(' ~ number ~ ' as decimal(38, ' ~ decimals ~ '))', 10 ** decimals)) }}
{%- endmacro %}

{#- (The emulator of Snowflake takes decimal(38, 0) for an integer of 64 bits.) -#}
{% macro default__as_whole_number(number, units) -%}
    (cast(floor({{ number }}) as decimal(37, 0)) * {{ units }} + cast(({{ number }} - floor({{ number }})) * {{ units }} as decimal(37, 0)))
{%- endmacro %}

{% macro duckdb__as_whole_number(number, units) -%}
    (cast(floor({{ number }}) as hugeint) * {{ units }} + cast(({{ number }} - floor({{ number }})) * {{ units }} as hugeint))
{%- endmacro %}

{#- How many times a whole number goes into another, both not negative. Null for 0. -#}
{% macro whole_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch('whole_quotient')(dividend, divisor)) }}
{%- endmacro %}

{% macro default__whole_quotient(dividend, divisor) -%}
    cast(
        (({{ dividend }}) - mod({{ dividend }}, nullif({{ divisor }}, 0))) / nullif({{ divisor }}, 0)
        as decimal(37, 0)
    )
{%- endmacro %}

{% macro duckdb__whole_quotient(dividend, divisor) -%}
    (cast({{ dividend }} as hugeint) // nullif(cast({{ divisor }} as hugeint), 0))
{%- endmacro %}
