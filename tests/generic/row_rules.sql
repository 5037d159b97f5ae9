{#-
    Checks named conditions on every row, all in one scan. One row per rule that is broken, with its name and the number
    of rows that break it. A condition that is null counts as broken.
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
