-- Put what is left of a block in its place: at the end of the stream, as a stream only grows there.
--   KEYS[1] meta HASH (edits)   KEYS[2] stream   ARGV[1] id of the block   ARGV[2] what is left of it ("" = nothing)
-- Returns 1, or 0 when the block is not there any more.
if redis.call("XDEL", KEYS[2], ARGV[1]) == 0 then return 0 end
if ARGV[2] ~= "" then redis.call("XADD", KEYS[2], "*", "b", ARGV[2]) end
redis.call("HINCRBY", KEYS[1], "edits", 1)
return 1
