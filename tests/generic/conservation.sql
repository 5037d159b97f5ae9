{#-
    One row if the amount in the model is not the sum of the amounts in its parts. An amount is the number of rows, or
    `measure`, an aggregate such as sum(volume); a null amount counts as 0.
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
