{#- Rows that one of two relations lacks or has less often than the other, in the columns compared. -#}
{% test equal_relations(model, compare_to, columns) %}

{%- set listed = columns | join(', ') %}
with only_here as (

    select {{ listed }} from {{ model }}
    except all
    select {{ listed }} from {{ compare_to }}

),

only_there as (

    select {{ listed }} from {{ compare_to }}
    except all
    select {{ listed }} from {{ model }}

)

select 'only here' as found, * from only_here
union all
select 'only there' as found, * from only_there

{% endtest %}
