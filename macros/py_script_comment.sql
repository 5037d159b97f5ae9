{#-
    dbt appends this text to every compiled Python model. It is the only way to give a model the id of the invocation:
    a value in the model's config would be that of the invocation that last parsed it.
-#}
{% macro py_script_comment() %}
invocation_id = "{{ invocation_id }}"
{% endmacro %}
