{#- Candles whose prices are not positive and in order: low, then open and close, then high. A null is found too. -#}
{% test ohlc_order(model) %}

select open, high, low, close
from {{ model }}
where not coalesce(0 < low and low <= least(open, close) and greatest(open, close) <= high, false)
    or open is null
    or close is null

{% endtest %}
