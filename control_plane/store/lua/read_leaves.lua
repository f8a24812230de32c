-- The leaves of some fields in many hashes, joined: taking in one answer a field is far less work than one a hash.
--   KEYS[1...] HASH   ARGV[1...] fields
-- Returns for each field `[leaf,leaf,...]` in the order of KEYS, with null where there is none.
local found = {}
for f = 1, #ARGV do found[f] = {} end
for i, key in ipairs(KEYS) do
  local leaves = redis.call("HMGET", key, unpack(ARGV))
  for f = 1, #ARGV do found[f][i] = leaves[f] or "null" end
end
for f = 1, #ARGV do found[f] = "[" .. table.concat(found[f], ",") .. "]" end
return found
