{#-
    One row if a whole is not the sum of its parts: by default in rows, else in `measure`, an aggregate such as
    sum(volume). Where the whole has nothing, null, the parts must have nothing too.
-#}
{% test conservation(model, parts, measure='count(*)') %}

with whole as (

    select coalesce({{ measure }}, 0) as amount from {{ model }}

),

parts as (

    {% for part in parts -%}
    select coalesce({{ measure }}, 0) as amount from {{ part }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

compared as (

    select
        (select amount from whole) as whole_amount,
        (select sum(amount) from parts) as parts_amount

)

select * from compared where whole_amount <> parts_amount

{% endtest %}
