{#- The columns of the features of dbt_project.yml: `feature_amount`, … -#}
{% macro features() -%}
    {%- for definition in var('features') -%}
        {{ feature(definition) }} as feature_{{ definition.name }}{{ ',' if not loop.last }}
    {% endfor -%}
{%- endmacro %}

{#- A feature of dbt_project.yml over a payment (paid_at_us, cents and its columns) and the card's history before it, oldest first:
    tuples of paid_at_us, cents, country, device_id. streaming/fraud/features.py evaluates the same definitions. -#}
{% macro feature(definition) -%}
    {%- set place = {'country': 3, 'device_id': 4} -%}
    {%- if definition.rule == 'amount' -%}
        toFloat64(cents) / 100
    {%- elif definition.rule == 'ratio' -%}
        if(arraySum(x -> x.2, history) = 0, 1, toFloat64(cents * length(history)) / toFloat64(arraySum(x -> x.2, history)))
    {%- elif definition.rule == 'gap' -%}
        if(empty(history), -1, toFloat64(paid_at_us - history[-1].1) / 1000000)
    {%- elif definition.rule == 'is' -%}
        toFloat64({{ definition.column }} = '{{ definition.text }}')
    {%- elif definition.rule == 'differ' -%}
        toFloat64({{ definition.columns[0] }} != {{ definition.columns[1] }})
    {%- elif definition.rule == 'count' -%}
        {%- set conditions = ['true'] -%}
        {%- if definition.within is defined -%}
            {%- do conditions.append('paid_at_us - x.1 <= ' ~ definition.within * 1000000) -%}
        {%- endif -%}
        {%- if definition.below is defined -%}
            {%- do conditions.append('x.2 < ' ~ definition.below) -%}
        {%- endif -%}
        {%- if definition.same is defined -%}
            {%- do conditions.append('x.' ~ place[definition.same] ~ ' = ' ~ definition.same) -%}
        {%- endif -%}
        {%- if definition.other is defined -%}
            {%- do conditions.append('x.' ~ place[definition.other] ~ ' != ' ~ definition.other) -%}
        {%- endif -%}
        toFloat64(arrayCount(x -> {{ conditions | join(' and ') }}, history))
    {%- else -%}
        {{ exceptions.raise_compiler_error('there is no rule ' ~ definition.rule) }}
    {%- endif -%}
{%- endmacro %}
