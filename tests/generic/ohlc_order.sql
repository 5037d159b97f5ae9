{#- Candles that break 0 < low <= open <= high or low <= close <= high; a null price breaks it too. -#}
{% test ohlc_order(model) %}

select open, high, low, close
from {{ model }}
where not coalesce(0 < low and low <= least(open, close) and greatest(open, close) <= high, false)
    or open is null
    or close is null

{% endtest %}
