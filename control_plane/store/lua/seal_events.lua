-- Put a segment into the index and trim what is in it from the streams, if nothing was sealed, edited or reset meanwhile.
--   KEYS[1] meta HASH (gen, seal, edits)   KEYS[2] segments HASH   KEYS[3...] streams
--   ARGV[1] generation   ARGV[2] seal   ARGV[3] edits, all as they were when the streams were read
--   ARGV[4] the segment's entry   ARGV[5...] for each stream: the least id that stays
-- Returns the number of the seal, 0 when something changed.
local found = redis.call("HMGET", KEYS[1], "gen", "seal", "edits")
for i = 1, 3 do
  if (found[i] or "0") ~= ARGV[i] then return 0 end
end
local seal = redis.call("HINCRBY", KEYS[1], "seal", 1)
redis.call("HSET", KEYS[2], seal, ARGV[4])
for i = 3, #KEYS do
  redis.call("XTRIM", KEYS[i], "MINID", ARGV[i + 2])
end
return seal
