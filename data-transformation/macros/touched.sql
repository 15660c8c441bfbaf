{#-
    A build of what has changed (`elt build --changed`) knows from which content of each raw stream the marts were built. The
    models int_touched_* name what newer raw rows concern, and the incremental facts compare only that with what they hold.
    Any other build compares all, and does not ask them.
-#}
{% macro only_touched() -%}
    {{ return(changes() != {}) }}
{%- endmacro %}

{#-
    Predicate: `column` names one of int_touched_<what>, for a model that asks it if `only_touched`. To be called at the head of
    the model, where dbt finds the reference.
-#}
{% macro among_touched(column, what, key=column) -%}
    {%- set touched = 'int_touched_' ~ what -%}
    {%- if not execute -%}
        {%- do ref(touched) -%}
    {%- elif only_touched() -%}
        {{ return(
            column ~ ' in (select touched.' ~ key ~ ' from ' ~ ref(touched) ~ ' as touched)' if has_newer_inputs(touched)
            else 'false'
        ) }}
    {%- endif -%}
{%- endmacro %}

{#- Select `key` of what such rows are part of, from streams whose own key begins with it. -#}
{% macro of_newer(source_name, tables, raw_key, key) -%}
    {%- for table in tables %}
    select {{ raw_key }} as {{ key }}
    from {{ source(source_name, table) }}
    where {{ is_newer(source_name, table) }}
    {%- if not loop.last %}

    union distinct
    {% endif -%}
    {%- endfor -%}
{%- endmacro %}

{#-
    Predicate on a raw stream: rows that have come or changed since the marts were built, those marked as deleted included. Who
    asks depends on the stream.
-#}
{% macro is_newer(source_name, table) -%}
    {%- do source(source_name, table) -%}
    {%- set stream, since = source_name ~ '.' ~ table, changes().since or {} -%}
    {%- if stream not in since -%}
        {{ return('false') }}
    {%- elif since[stream] is none -%}
        {{ return('true') }}
    {%- endif -%}
    {{ return("_airbyte_extracted_at > cast('" ~ since[stream] ~ "+00:00' as timestamptz)") }}
{%- endmacro %}

{#- Predicate: `column` names such a row by the stream's `key`; true for all when rows may have gone without a trace. -#}
{% macro names_newer(column, source_name, table, key) -%}
    {%- set stream, newer = source(source_name, table), is_newer(source_name, table) -%}
    {{ return(
        column ~ ' in (select ' ~ key ~ ' from ' ~ stream ~ ' where ' ~ newer ~ ')' if newer not in ('true', 'false')
        else newer
    ) }}
{%- endmacro %}

{#- Predicate: has the stream such a row at all? -#}
{% macro has_newer(source_name, table) -%}
    {{ return('false' if is_newer(source_name, table) == 'false' else 'true') }}
{%- endmacro %}

{#- Is there such a row anywhere above a model? Seeds and macros have not changed: a build of everything would be due. -#}
{% macro has_newer_inputs(model_name) -%}
    {{ return(model_name in (changes().below or [])) }}
{%- endmacro %}

{#- Predicate: have rows of one of the streams gone without a trace? They could be anybody's. -#}
{% macro any_gone(source_name, tables) -%}
    {%- set gone = [] -%}
    {%- for table in tables if is_newer(source_name, table) == 'true' -%}
        {%- do gone.append(table) -%}
    {%- endfor -%}
    {{ return('true' if gone else 'false') }}
{%- endmacro %}

{#- Any of these predicates. -#}
{% macro any_of(predicates) -%}
    {%- set open = predicates | reject('equalto', 'false') | list -%}
    {{ return('true' if 'true' in open else (open or ['false']) | join('\n or ')) }}
{%- endmacro %}

{#- The result of transformation.changed_inputs.difference in a build of what has changed; else nothing. -#}
{% macro changes() -%}
    {{ return(
        build_request().changes or {} if execute and model.resource_type in ('model', 'snapshot') else {}
    ) }}
{%- endmacro %}
