-- Note that the data was brought to the next layout.
--   KEYS[1] layout STRING
--   ARGV[1] the layout it had    ARGV[2] the one it has now
-- Returns 1 when it was noted, 0 when the layout is another one already.
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[2])
return 1
