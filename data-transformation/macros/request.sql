{#-
    What was asked of this build: transformation.request.BuildRequest, which the variable ELT_BUILD holds as JSON. Nothing while
    dbt parses, and nothing to dbt that is started by hand.
-#}
{% macro build_request() -%}
    {{ return(fromjson(env_var('ELT_BUILD', '') or '{}') if execute else {}) }}
{%- endmacro %}
