{#-
    Rules that every row keeps, all in one scan: a name and a condition each. One row per broken rule, with its name
    and the number of rows that break it. A condition that is null is broken.
-#}
{% test row_rules(model, rules) %}

with counted as (

    select
        {%- for name, condition in rules.items() %}
        sum(case when {{ condition }} then 0 else 1 end) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}

),

named as (

    {% for name in rules -%}
    select '{{ name }}' as rule, {{ name }} as rows_broken from counted
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from named where rows_broken > 0

{% endtest %}
