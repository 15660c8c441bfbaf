{#- The second company: its raw tables have a row for each version of a source row. -#}

{#- The columns of each raw table that is read here; types, for as long as no sync has made it. -#}
{% macro totesys_columns() -%}
    {{ return({
        'address': {
            'address_id': 'integer', 'address_line_1': 'varchar', 'address_line_2': 'varchar', 'district': 'varchar',
            'city': 'varchar', 'postal_code': 'varchar', 'country': 'varchar', 'phone': 'varchar'
        },
        'counterparty': {
            'counterparty_id': 'integer', 'counterparty_legal_name': 'varchar', 'legal_address_id': 'integer',
            'commercial_contact_hashed': 'varchar', 'delivery_contact_hashed': 'varchar'
        },
        'currency': {'currency_id': 'integer', 'currency_code': 'varchar'},
        'department': {'department_id': 'integer', 'department_name': 'varchar', 'location': 'varchar'},
        'design': {
            'design_id': 'integer', 'design_name': 'varchar', 'file_location': 'varchar', 'file_name': 'varchar'
        },
        'payment': {
            'payment_id': 'integer', 'transaction_id': 'integer', 'counterparty_id': 'integer',
            'payment_amount': 'varchar', 'currency_id': 'integer', 'payment_type_id': 'integer', 'paid': 'boolean',
            'payment_date': 'varchar'
        },
        'payment_type': {'payment_type_id': 'integer', 'payment_type_name': 'varchar'},
        'purchase_order': {
            'purchase_order_id': 'integer', 'staff_id': 'integer', 'counterparty_id': 'integer', 'item_code': 'varchar',
            'item_quantity': 'integer', 'item_unit_price': 'varchar', 'currency_id': 'integer',
            'agreed_delivery_date': 'varchar', 'agreed_payment_date': 'varchar',
            'agreed_delivery_location_id': 'integer'
        },
        'sales_order': {
            'sales_order_id': 'integer', 'design_id': 'integer', 'staff_id': 'integer', 'counterparty_id': 'integer',
            'units_sold': 'integer', 'unit_price': 'varchar', 'currency_id': 'integer',
            'agreed_delivery_date': 'varchar', 'agreed_payment_date': 'varchar',
            'agreed_delivery_location_id': 'integer'
        },
        'staff': {
            'staff_id': 'integer', 'first_name': 'varchar', 'last_name': 'varchar', 'department_id': 'integer',
            'email_address': 'varchar'
        },
        'transaction': {
            'transaction_id': 'integer', 'transaction_type': 'varchar', 'sales_order_id': 'integer',
            'purchase_order_id': 'integer'
        }
    }) }}
{%- endmacro %}

{#-
    A raw table of the company, or no rows of its columns while no sync has made it. A row without a key (it says that the table was empty
    when it was read as a whole again) is left out.
-#}
{% macro raw_totesys(table) -%}
    {%- set columns = dict(totesys_columns()[table]) -%}
    {%- do columns.update({
        'created_at': 'timestamp', 'last_updated': 'timestamp', '_airbyte_raw_id': 'varchar',
        '_airbyte_extracted_at': 'timestamp', '_airbyte_generation_id': 'bigint'
    }) -%}
    (select * from {{ raw_or_empty(source('totesys', table), columns) }} where {{ table }}_id is not null) as versions
{%- endmacro %}

{#- Has the raw table this column? Change data capture adds three, a cursor sync does not. -#}
{% macro totesys_has(table, column) -%}
    {%- set relation = load_relation(source('totesys', table)) if execute else none -%}
    {{ return(relation is not none and column in (
        adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list
    )) }}
{%- endmacro %}

{#-
    Which version of its source row a raw row is. Versions are in the order of reads from the beginning, then of the log, then
    of extraction. `is_change`: it differs from the version before it (a row that was read again does not). `is_last_known`:
    the last one that has values; `is_current`: and the row has not been deleted since. (A stream that was read as a whole again has
    a generation more, be it a row without a key alone: what is not in that was deleted while nobody read the log.)
-#}
{% macro totesys_version(table, key) -%}
    {%- set captured = totesys_has(table, '_ab_cdc_lsn') -%}
    {%- set deleted = '_ab_cdc_deleted_at is not null' if captured else 'false' -%}
    {%- set sequence = ['_airbyte_generation_id'] + (['_ab_cdc_lsn'] if captured else [])
        + ['_airbyte_extracted_at', '_airbyte_raw_id'] -%}
    {%- set forwards, backwards = sequence | join(', '), sequence | join(' desc, ') ~ ' desc' -%}
    {%- set values = [] -%}
    {%- for column in totesys_columns()[table] -%}
        {%- do values.append("coalesce(" ~ key_text('cast(' ~ column ~ ' as varchar)') ~ ", '~')") -%}
    {%- endfor -%}
    {%- do values.append("coalesce(" ~ timestamp_text('created_at') ~ ", '~')") -%}
    {%- do values.append("coalesce(" ~ timestamp_text('last_updated') ~ ", '~')") -%}
    {%- do values.append("case when " ~ deleted ~ " then 'deleted' else '' end") -%}
    {%- set content = values | join(" || '|' || ") -%}
_airbyte_generation_id as generation_id,
        cast({{ '_ab_cdc_lsn' if captured else 'null' }} as bigint) as log_position,
        {{ extracted_at() }} as extracted_at,
        cast(row_number() over (partition by {{ key }} order by {{ forwards }}) as integer) as version_number,
        {{ deleted }} as is_deleted,
        coalesce(
            {{ content }}
            <> lag({{ content }}) over (partition by {{ key }} order by {{ forwards }}),
            true
        ) as is_change,
        not ({{ deleted }})
        {%- if captured %}
        and _airbyte_generation_id = (
            select max(everything._airbyte_generation_id) from {{ source('totesys', table) }} as everything
        )
        {%- endif %}
        and row_number() over (partition by {{ key }} order by {{ backwards }}) = 1 as is_current,
        not ({{ deleted }})
        and row_number() over (partition by {{ key }}, {{ deleted }} order by {{ backwards }}) = 1 as is_last_known
{%- endmacro %}

{#- The day that a text spells as yyyy-mm-dd, blanks around it aside; null for all else that somebody typed. -#}
{% macro iso_date(text) -%}
    {%- set trimmed = 'trim(' ~ text ~ ')' -%}
    case
        when
            length({{ trimmed }}) = 10 and translate({{ trimmed }}, '0123456789', '') = '--'
            and substring({{ trimmed }}, 5, 1) = '-' and substring({{ trimmed }}, 8, 1) = '-'
            then {{ calendar_day('try_cast(' ~ trimmed ~ ' as date)') }}
    end
{%- endmacro %}

{#- A member's number, found by a left join, else that of the unknown member. -#}
{% macro member_or_unknown(column) -%}
    coalesce({{ column }}, -1)
{%- endmacro %}

{#- An amount in US dollars. Rates have ten decimals, and `divide` counts to eight: so both sides are a hundred times as large. -#}
{% macro in_usd(amount, per_usd) -%}
    cast({{ divide('(' ~ amount ~ ' * 100)', '(' ~ per_usd ~ ' * 100)') }} as decimal(38, 4))
{%- endmacro %}

{#- The number of a fact's row: versions of all rows in the order in which they came, so that new ones come last. -#}
{% macro record_number(key) -%}
    cast(row_number() over (order by generation_id, log_position, extracted_at, {{ key }}, version_number) as bigint)
{%- endmacro %}
