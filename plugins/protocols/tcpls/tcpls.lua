-- tcpls.lua: a dissector for Wireshark that reads TCPLS (draft-piraux-tcpls-00), joined connections too.
--
--   SSLKEYLOGFILE=keys.log wireshark -X lua_script:tcpls.lua -d tcp.port==4433,tcpls capture.pcapng
--
-- The key log is that of the option `key-log` of the client or of the server. Wireshark's own dissector of TLS cannot
-- open records of joined connections, whose nonces hold the connection's number; so this one has its own cryptography,
-- for all cipher suites of TLS 1.3 that the plugin speaks. It shares no code with the plugin, which makes it a judge of
-- what that sends.

local tcpls = Proto("tcpls", "TCPLS")

-- ---- bits: Lua 5.2 has bit32, later ones have operators, which 5.2 cannot read

local band, bor, bxor, bnot, lshift, rshift
if bit32 then
  band, bor, bxor, bnot, lshift, rshift = bit32.band, bit32.bor, bit32.bxor, bit32.bnot, bit32.lshift, bit32.rshift
else
  local function made(expression)
    return load("local a, b = ...; return (" .. expression .. ") & 0xffffffff")
  end
  band, bor, lshift, rshift = made("a & b"), made("a | b"), made("a << b"), made("a >> b")
  local xor = made("a ~ b")
  bxor = function(a, b, c)
    local x = xor(a, b)
    return c and xor(x, c) or x
  end
  bnot = function(a) return xor(a, 0xffffffff) end
end
local function ror(x, n) return bor(rshift(x, n), lshift(x, 32 - n)) end

local function word(s, at)
  local a, b, c, d = s:byte(at, at + 3)
  return a * 0x1000000 + b * 0x10000 + c * 0x100 + d
end
local function bytes_of_word(w)
  return string.char(rshift(w, 24), band(rshift(w, 16), 255), band(rshift(w, 8), 255), band(w, 255))
end
local function hex(s) return (s:gsub(".", function(c) return string.format("%02x", c:byte()) end)) end
local function unhex(s) return (s:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)) end

-- ---- SHA-256 (FIPS 180-4), and below HMAC, HKDF-Expand-Label (RFC 8446 section 7.1)

local K, H0 = {}, {}
do
  local n, candidate = 0, 2
  while n < 64 do
    local prime = true
    for d = 2, math.floor(math.sqrt(candidate)) do prime = prime and candidate % d ~= 0 end
    if prime then
      n = n + 1
      local cube, square = candidate ^ (1 / 3), candidate ^ 0.5
      K[n] = math.floor((cube - math.floor(cube)) * 2 ^ 32)
      if n <= 8 then H0[n] = math.floor((square - math.floor(square)) * 2 ^ 32) end
    end
    candidate = candidate + 1
  end
end

local function sha256(message)
  local bits = #message * 8
  message = message .. "\128" .. string.rep("\0", (55 - #message) % 64) .. "\0\0\0\0" .. bytes_of_word(bits)
  local h = {}
  for i = 1, 8 do h[i] = H0[i] end
  for block = 1, #message, 64 do
    local w = {}
    for i = 1, 16 do w[i] = word(message, block + (i - 1) * 4) end
    for i = 17, 64 do
      local s0 = bxor(ror(w[i - 15], 7), ror(w[i - 15], 18), rshift(w[i - 15], 3))
      local s1 = bxor(ror(w[i - 2], 17), ror(w[i - 2], 19), rshift(w[i - 2], 10))
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) % 2 ^ 32
    end
    local a, b, c, d, e, f, g, k = h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]
    for i = 1, 64 do
      local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
      local t1 = (k + s1 + bxor(band(e, f), band(bnot(e), g)) + K[i] + w[i]) % 2 ^ 32
      local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
      local t2 = (s0 + bxor(band(a, b), band(a, c), band(b, c))) % 2 ^ 32
      k, g, f, e, d, c, b, a = g, f, e, (d + t1) % 2 ^ 32, c, b, a, (t1 + t2) % 2 ^ 32
    end
    local now = { a, b, c, d, e, f, g, k }
    for i = 1, 8 do h[i] = (h[i] + now[i]) % 2 ^ 32 end
  end
  local out = {}
  for i = 1, 8 do out[i] = bytes_of_word(h[i]) end
  return table.concat(out)
end

-- ---- SHA-384 (FIPS 180-4), whose words have 64 bits: pairs of halves here

local K64 = unhex(
  "428a2f98d728ae227137449123ef65cdb5c0fbcfec4d3b2fe9b5dba58189dbbc3956c25bf348b53859f111f1b605d019923f82a4af194f9b"
  .. "ab1c5ed5da6d8118d807aa98a303024212835b0145706fbe243185be4ee4b28c550c7dc3d5ffb4e272be5d74f27b896f80deb1fe3b1696b1"
  .. "9bdc06a725c71235c19bf174cf692694e49b69c19ef14ad2efbe4786384f25e30fc19dc68b8cd5b5240ca1cc77ac9c652de92c6f592b0275"
  .. "4a7484aa6ea6e4835cb0a9dcbd41fbd476f988da831153b5983e5152ee66dfaba831c66d2db43210b00327c898fb213fbf597fc7beef0ee4"
  .. "c6e00bf33da88fc2d5a79147930aa72506ca6351e003826f142929670a0e6e7027b70a8546d22ffc2e1b21385c26c9264d2c6dfc5ac42aed"
  .. "53380d139d95b3df650a73548baf63de766a0abb3c77b2a881c2c92e47edaee692722c851482353ba2bfe8a14cf10364a81a664bbc423001"
  .. "c24b8b70d0f89791c76c51a30654be30d192e819d6ef5218d69906245565a910f40e35855771202a106aa07032bbd1b819a4c116b8d2d0c8"
  .. "1e376c085141ab532748774cdf8eeb9934b0bcb5e19b48a8391c0cb3c5c95a634ed8aa4ae3418acb5b9cca4f7763e373682e6ff3d6b2b8a3"
  .. "748f82ee5defb2fc78a5636f43172f6084c87814a1f0ab728cc702081a6439ec90befffa23631e28a4506cebde82bde9bef9a3f7b2c67915"
  .. "c67178f2e372532bca273eceea26619cd186b8c721c0c207eada7dd6cde0eb1ef57d4f7fee6ed17806f067aa72176fba0a637dc5a2c898a6"
  .. "113f9804bef90dae1b710b35131c471b28db77f523047d8432caab7b40c724933c9ebe0a15c9bebc431d67c49c100d4c4cc5d4becb3e42b6"
  .. "597f299cfc657e2a5fcb6fab3ad6faec6c44198c4a475817")
local H384 = unhex(
  "cbbb9d5dc1059ed8629a292a367cd5079159015a3070dd17152fecd8f70e593967332667ffc00b318eb44a8768581511db0c2e0d64f98fa7"
  .. "47b5481dbefa4fa4")

local function add64(ah, al, bh, bl)
  local low = al + bl
  return (ah + bh + (low >= 2 ^ 32 and 1 or 0)) % 2 ^ 32, low % 2 ^ 32
end
local function ror64(h, l, n)
  if n >= 32 then h, l, n = l, h, n - 32 end
  if n == 0 then return h, l end
  return bor(rshift(h, n), lshift(l, 32 - n)), bor(rshift(l, n), lshift(h, 32 - n))
end
local function sigma64(h, l, n1, n2, n3, shifted)
  local ah, al = ror64(h, l, n1)
  local bh, bl = ror64(h, l, n2)
  local ch, cl
  if shifted then
    ch, cl = rshift(h, n3), bor(rshift(l, n3), lshift(h, 32 - n3))
  else
    ch, cl = ror64(h, l, n3)
  end
  return bxor(ah, bh, ch), bxor(al, bl, cl)
end

local function sha384(message)
  local bits = #message * 8
  message = message .. "\128" .. string.rep("\0", (111 - #message) % 128) .. string.rep("\0", 12) .. bytes_of_word(bits)
  local h = {}
  for i = 1, 16 do h[i] = word(H384, i * 4 - 3) end
  for block = 1, #message, 128 do
    local w = {}
    for i = 1, 32 do w[i] = word(message, block + i * 4 - 4) end
    for i = 33, 159, 2 do
      local sh, sl = sigma64(w[i - 30], w[i - 29], 1, 8, 7, true)
      local th, tl = sigma64(w[i - 4], w[i - 3], 19, 61, 6, true)
      sh, sl = add64(sh, sl, w[i - 32], w[i - 31])
      sh, sl = add64(sh, sl, th, tl)
      w[i], w[i + 1] = add64(sh, sl, w[i - 14], w[i - 13])
    end
    local v = {}
    for i = 1, 16 do v[i] = h[i] end
    for i = 1, 159, 2 do
      local th, tl = sigma64(v[9], v[10], 14, 18, 41)
      th, tl = add64(th, tl, v[15], v[16])
      th, tl = add64(th, tl, bxor(band(v[9], v[11]), band(bnot(v[9]), v[13])),
        bxor(band(v[10], v[12]), band(bnot(v[10]), v[14])))
      th, tl = add64(th, tl, word(K64, i * 4 - 3), word(K64, i * 4 + 1))
      th, tl = add64(th, tl, w[i], w[i + 1])
      local uh, ul = sigma64(v[1], v[2], 28, 34, 39)
      uh, ul = add64(uh, ul, bxor(band(v[1], v[3]), band(v[1], v[5]), band(v[3], v[5])),
        bxor(band(v[2], v[4]), band(v[2], v[6]), band(v[4], v[6])))
      for n = 16, 3, -1 do v[n] = v[n - 2] end
      v[9], v[10] = add64(v[9], v[10], th, tl)
      v[1], v[2] = add64(th, tl, uh, ul)
    end
    for i = 1, 15, 2 do h[i], h[i + 1] = add64(h[i], h[i + 1], v[i], v[i + 1]) end
  end
  local out = {}
  for i = 1, 12 do out[i] = bytes_of_word(h[i]) end
  return table.concat(out)
end

-- `block`: bytes that the hash works on at a time.
local function hmac(hash, block, key, message)
  key = key .. string.rep("\0", block - #key)
  local function pad(x) return (key:gsub(".", function(c) return string.char(bxor(c:byte(), x)) end)) end
  return hash(pad(0x5c) .. hash(pad(0x36) .. message))
end

-- One block is enough: keys have 32 bytes at most, IVs 12.
local function expand_label(suite, secret, label, size)
  label = "tls13 " .. label
  local info = string.char(0, size, #label) .. label .. "\0\1"
  if suite.sha384 then return hmac(sha384, 128, secret, info):sub(1, size) end
  return hmac(sha256, 64, secret, info):sub(1, size)
end

-- ---- AES-128 and AES-256 (FIPS 197), forward only

local SBOX, T = {}, { {}, {}, {}, {} }
do
  local p, q = 1, 1
  repeat
    p = band(bxor(p, lshift(p, 1), p >= 128 and 0x11b or 0), 255)
    q = bxor(q, lshift(q, 1))
    q = bxor(q, lshift(q, 2))
    q = band(bxor(q, lshift(q, 4)), 255)
    if q >= 128 then q = bxor(q, 9) end
    local x = q
    for n = 1, 4 do x = bxor(x, band(bor(lshift(q, n), rshift(q, 8 - n)), 255)) end
    SBOX[p] = bxor(x, 0x63)
  until p == 1
  SBOX[0] = 0x63
  for i = 0, 255 do
    local s = SBOX[i]
    local s2 = band(bxor(lshift(s, 1), s >= 128 and 0x11b or 0), 255)
    local t = s2 * 0x1000000 + s * 0x10000 + s * 0x100 + bxor(s, s2)
    for n = 1, 4 do T[n][i] = n == 1 and t or ror(t, 8 * (n - 1)) end
  end
end

local function sub_word(w)
  return SBOX[rshift(w, 24)] * 0x1000000 + SBOX[band(rshift(w, 16), 255)] * 0x10000
    + SBOX[band(rshift(w, 8), 255)] * 0x100 + SBOX[band(w, 255)]
end

local function aes_key(key)
  local w, rcon, words = {}, 1, #key / 4
  w.last = math.floor(4 * (words + 6))  -- of the last round
  for i = 0, words - 1 do w[i] = word(key, i * 4 + 1) end
  for i = words, w.last + 3 do
    local t = w[i - 1]
    if i % words == 0 then
      t = bxor(sub_word(ror(t, 24)), lshift(rcon, 24))
      rcon = band(bxor(lshift(rcon, 1), rcon >= 128 and 0x11b or 0), 255)
    elseif words > 6 and i % words == 4 then
      t = sub_word(t)
    end
    w[i] = bxor(w[i - words], t)
  end
  return w
end

local T1, T2, T3, T4 = T[1], T[2], T[3], T[4]
local function aes(w, a, b, c, d)
  a, b, c, d = bxor(a, w[0]), bxor(b, w[1]), bxor(c, w[2]), bxor(d, w[3])
  local function mixed(p, q, r, s, k)
    return bxor(bxor(T1[rshift(p, 24)], T2[band(rshift(q, 16), 255)], T3[band(rshift(r, 8), 255)]), T4[band(s, 255)], k)
  end
  local z = w.last
  for r = 4, z - 4, 4 do
    a, b, c, d = mixed(a, b, c, d, w[r]), mixed(b, c, d, a, w[r + 1]), mixed(c, d, a, b, w[r + 2]),
      mixed(d, a, b, c, w[r + 3])
  end
  local function last(p, q, r, s, k)
    return bxor(SBOX[rshift(p, 24)] * 0x1000000 + SBOX[band(rshift(q, 16), 255)] * 0x10000
      + SBOX[band(rshift(r, 8), 255)] * 0x100 + SBOX[band(s, 255)], k)
  end
  return last(a, b, c, d, w[z]), last(b, c, d, a, w[z + 1]), last(c, d, a, b, w[z + 2]), last(d, a, b, c, w[z + 3])
end

-- ---- GCM (NIST SP 800-38D)

-- What the four bits that a shift pushes out are worth.
local REDUCE = {}
for i = 0, 15 do
  local r = 0
  for n = 0, 3 do
    if band(rshift(i, n), 1) == 1 then r = bxor(r, rshift(0xe1000000, 3 - n)) end
  end
  REDUCE[i] = r
end

-- The multiples of H by all values of four bits.
local function ghash_table(h0, h1, h2, h3)
  local m = { [0] = { 0, 0, 0, 0 } }
  local v = { h0, h1, h2, h3 }
  local bit_value = 8
  while bit_value > 0 do
    m[bit_value] = { v[1], v[2], v[3], v[4] }
    local out = band(v[4], 1)
    v = { rshift(v[1], 1), bor(rshift(v[2], 1), lshift(v[1], 31)), bor(rshift(v[3], 1), lshift(v[2], 31)),
      bor(rshift(v[4], 1), lshift(v[3], 31)) }
    if out == 1 then v[1] = bxor(v[1], 0xe1000000) end
    bit_value = math.floor(bit_value / 2)
  end
  for i = 1, 15 do
    if not m[i] then
      local low = 1
      while band(i, low) == 0 do low = low * 2 end
      local a, b = m[low], m[i - low] or m[band(i, bnot(low))]
      m[i] = { bxor(a[1], b[1]), bxor(a[2], b[2]), bxor(a[3], b[3]), bxor(a[4], b[4]) }
    end
  end
  return m
end

local function times_h(m, y0, y1, y2, y3)
  local z0, z1, z2, z3 = 0, 0, 0, 0
  local y = { y3, y2, y1, y0 }
  for i = 1, 4 do
    local w = y[i]
    for shift = 0, 28, 4 do
      if i > 1 or shift > 0 then
        local out = band(z3, 15)
        z3 = bor(rshift(z3, 4), lshift(z2, 28))
        z2 = bor(rshift(z2, 4), lshift(z1, 28))
        z1 = bor(rshift(z1, 4), lshift(z0, 28))
        z0 = bxor(rshift(z0, 4), REDUCE[out])
      end
      local add = m[band(rshift(w, shift), 15)]
      z0, z1, z2, z3 = bxor(z0, add[1]), bxor(z1, add[2]), bxor(z2, add[3]), bxor(z3, add[4])
    end
  end
  return z0, z1, z2, z3
end

local function ghash(m, data, y0, y1, y2, y3)
  data = data .. string.rep("\0", -#data % 16)
  for i = 1, #data, 16 do
    y0, y1, y2, y3 = times_h(m, bxor(y0, word(data, i)), bxor(y1, word(data, i + 4)), bxor(y2, word(data, i + 8)),
      bxor(y3, word(data, i + 12)))
  end
  return y0, y1, y2, y3
end

local function gcm_key(key)
  local w = aes_key(key)
  return { w = w, m = ghash_table(aes(w, 0, 0, 0, 0)) }
end

-- The plaintext; nil when the tag is wrong.
local function gcm_open(key, nonce, aad, sealed)
  if #sealed < 16 then return nil end
  local size = #sealed - 16
  local cipher, tag = sealed:sub(1, size), sealed:sub(size + 1)
  local n0, n1, n2 = word(nonce, 1), word(nonce, 5), word(nonce, 9)
  local y0, y1, y2, y3 = ghash(key.m, aad, 0, 0, 0, 0)
  y0, y1, y2, y3 = ghash(key.m, cipher, y0, y1, y2, y3)
  y0, y1, y2, y3 = times_h(key.m, y0, bxor(y1, #aad * 8), y2, bxor(y3, size * 8))
  local e0, e1, e2, e3 = aes(key.w, n0, n1, n2, 1)
  if bytes_of_word(bxor(y0, e0)) .. bytes_of_word(bxor(y1, e1)) .. bytes_of_word(bxor(y2, e2))
      .. bytes_of_word(bxor(y3, e3)) ~= tag then
    return nil
  end
  local out, padded = {}, cipher .. string.rep("\0", -size % 16)
  for i = 1, size, 16 do
    local k0, k1, k2, k3 = aes(key.w, n0, n1, n2, 2 + (i - 1) / 16)
    out[#out + 1] = bytes_of_word(bxor(word(padded, i), k0)) .. bytes_of_word(bxor(word(padded, i + 4), k1))
      .. bytes_of_word(bxor(word(padded, i + 8), k2)) .. bytes_of_word(bxor(word(padded, i + 12), k3))
  end
  return table.concat(out):sub(1, size)
end

-- ---- ChaCha20 and Poly1305 (RFC 8439)

local function little_word(s, at)
  local a, b, c, d = s:byte(at, at + 3)
  return a + b * 0x100 + c * 0x10000 + d * 0x1000000
end
local function bytes_of_little_word(w)
  return string.char(band(w, 255), band(rshift(w, 8), 255), band(rshift(w, 16), 255), rshift(w, 24))
end

-- 64 bytes of the key stream.
local function chacha20(key, nonce, counter)
  local first = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }
  for i = 0, 7 do first[#first + 1] = little_word(key, i * 4 + 1) end
  first[#first + 1] = counter
  for i = 0, 2 do first[#first + 1] = little_word(nonce, i * 4 + 1) end
  local x = {}
  for i = 1, 16 do x[i] = first[i] end
  local function rol(w, n) return bor(lshift(w, n), rshift(w, 32 - n)) end
  local function quarter(a, b, c, d)
    x[a] = (x[a] + x[b]) % 2 ^ 32
    x[d] = rol(bxor(x[d], x[a]), 16)
    x[c] = (x[c] + x[d]) % 2 ^ 32
    x[b] = rol(bxor(x[b], x[c]), 12)
    x[a] = (x[a] + x[b]) % 2 ^ 32
    x[d] = rol(bxor(x[d], x[a]), 8)
    x[c] = (x[c] + x[d]) % 2 ^ 32
    x[b] = rol(bxor(x[b], x[c]), 7)
  end
  for _ = 1, 10 do
    quarter(1, 5, 9, 13)
    quarter(2, 6, 10, 14)
    quarter(3, 7, 11, 15)
    quarter(4, 8, 12, 16)
    quarter(1, 6, 11, 16)
    quarter(2, 7, 12, 13)
    quarter(3, 8, 9, 14)
    quarter(4, 5, 10, 15)
  end
  local out = {}
  for i = 1, 16 do out[i] = bytes_of_little_word((x[i] + first[i]) % 2 ^ 32) end
  return table.concat(out)
end

-- Numbers of 130 bits are ten limbs of 13 bits, the least first.
local function limbs(s)
  local list, bits, n = {}, 0, 0
  for i = 1, #s do
    bits = bits + s:byte(i) * 2 ^ n
    n = n + 8
    if n >= 13 then
      list[#list + 1] = bits % 8192
      bits, n = math.floor(bits / 8192), n - 13
    end
  end
  list[#list + 1] = bits
  while #list < 10 do list[#list + 1] = 0 end
  return list
end

local function carry(h)
  local over = 0
  for i = 1, 10 do
    local sum = h[i] + over
    h[i], over = sum % 8192, math.floor(sum / 8192)
  end
  h[1] = h[1] + over * 5  -- 2^130 is 5, modulo 2^130 - 5
end

local function poly1305(key, message)
  local clamped = {}
  for i = 1, 16 do
    local mask = (i % 4 == 0 and 15) or (i % 4 == 1 and i > 1 and 252) or 255
    clamped[i] = string.char(band(key:byte(i), mask))
  end
  local r, h = limbs(table.concat(clamped)), limbs("")
  for at = 1, #message, 16 do
    local m = limbs(message:sub(at, at + 15) .. "\1")
    for i = 1, 10 do h[i] = h[i] + m[i] end
    local product = {}
    for k = 1, 10 do
      local sum = 0
      for i = 1, 10 do
        local j = k - i + 1
        if j >= 1 then
          sum = sum + h[i] * r[j]
        else
          sum = sum + h[i] * r[j + 10] * 5
        end
      end
      product[k] = sum
    end
    h = product
    carry(h)
    carry(h)
  end
  carry(h)
  carry(h)
  local less = { h[1] + 5 }
  for i = 2, 10 do less[i] = h[i] end
  local over = 0
  for i = 1, 10 do
    local sum = less[i] + over
    less[i], over = sum % 8192, math.floor(sum / 8192)
  end
  if over > 0 then h = less end  -- it was 2^130 - 5 or more
  local s, out, bits, n, at, carried = key:sub(17), {}, 0, 0, 1, 0
  for i = 1, 16 do
    while n < 8 and at <= 10 do
      bits, n, at = bits + h[at] * 2 ^ n, n + 13, at + 1
    end
    local sum = bits % 256 + s:byte(i) + carried
    out[i], carried = string.char(math.floor(sum % 256)), math.floor(sum / 256)
    bits, n = math.floor(bits / 256), n - 8
  end
  return table.concat(out)
end

-- The plaintext; nil when the tag is wrong.
local function chacha_open(key, nonce, aad, sealed)
  if #sealed < 16 then return nil end
  local size = #sealed - 16
  local cipher, tag = sealed:sub(1, size), sealed:sub(size + 1)
  local function padded(s) return s .. string.rep("\0", -#s % 16) end
  local lengths = bytes_of_little_word(#aad) .. "\0\0\0\0" .. bytes_of_little_word(size) .. "\0\0\0\0"
  if poly1305(chacha20(key, nonce, 0):sub(1, 32), padded(aad) .. padded(cipher) .. lengths) ~= tag then return nil end
  local out = {}
  for at = 1, size, 64 do
    local stream = chacha20(key, nonce, 1 + (at - 1) / 64)
    local part = cipher:sub(at, at + 63)
    local bytes = {}
    for i = 1, #part do bytes[i] = string.char(bxor(part:byte(i), stream:byte(i))) end
    out[#out + 1] = table.concat(bytes)
  end
  return table.concat(out)
end

-- ---- cipher suites (RFC 8446 appendix B.4)

local function itself(key) return key end
local suites = {
  [0x1301] = { key_size = 16, make = gcm_key, open = gcm_open },
  [0x1302] = { key_size = 32, make = gcm_key, open = gcm_open, sha384 = true },
  [0x1303] = { key_size = 32, make = itself, open = chacha_open },
}

-- ---- what is known of sessions and connections

local secrets = {}       -- by client random: { client = secret, server = secret }
local invitations = {}   -- by token: { session =, id = }
local connections = {}   -- by tcp.stream
local opened = {}        -- by packet and place in it: packets are dissected again and again
local tcp_stream = Field.new("tcp.stream")

tcpls.prefs.keys = Pref.string("Key log", "", "The file with the secrets; empty: the one that SSLKEYLOGFILE names")

local function read_keys()
  local name = tcpls.prefs.keys ~= "" and tcpls.prefs.keys or os.getenv("SSLKEYLOGFILE")
  local file = name and io.open(name)
  if not file then return end
  for line in file:lines() do
    local side, random, secret = line:match("^(%u+)_TRAFFIC_SECRET_0 (%x+) (%x+)")
    if side == "CLIENT" or side == "SERVER" then
      local of = secrets[unhex(random)] or {}
      of[side:lower()] = unhex(secret)
      secrets[unhex(random)] = of
    end
  end
  file:close()
end

function tcpls.init()
  secrets, invitations, connections, opened = {}, {}, {}, {}
  read_keys()
end

local function session_of(random, suite)
  local known = secrets[random]
  if not known or not known.client or not known.server then return nil end
  if not known.session then
    local function side(secret)
      return { key = suite.make(expand_label(suite, secret, "key", suite.key_size)),
        iv = expand_label(suite, secret, "iv", 12) }
    end
    known.session = { suite = suite, client = side(known.client), server = side(known.server) }
  end
  return known.session
end

-- The IV, with the connection's number over its first 32 bits and the record's over its last 64.
local function nonce_of(iv, connection, sequence)
  local high, low = math.floor(sequence / 2 ^ 32), sequence % 2 ^ 32
  return bytes_of_word(bxor(word(iv, 1), connection)) .. bytes_of_word(bxor(word(iv, 5), high))
    .. bytes_of_word(bxor(word(iv, 9), low))
end

-- ---- fields

local f = {
  connection = ProtoField.uint32("tcpls.connection", "Connection ID"),
  record = ProtoField.uint32("tcpls.record", "Record sequence number"),
  message = ProtoField.string("tcpls.message", "Message"),
  token_used = ProtoField.bytes("tcpls.join.token", "Joins with token"),
  offers = ProtoField.bool("tcpls.extension", "tcpls extension"),
  unread = ProtoField.string("tcpls.unread", "Cannot be read"),
  padding = ProtoField.uint32("tcpls.padding", "Padding"),
  ping = ProtoField.none("tcpls.ping", "Ping"),
  stream = ProtoField.uint32("tcpls.stream", "Stream ID"),
  offset = ProtoField.uint64("tcpls.stream.offset", "Offset"),
  length = ProtoField.uint16("tcpls.stream.length", "Length"),
  fin = ProtoField.bool("tcpls.stream.fin", "FIN"),
  data = ProtoField.bytes("tcpls.stream.data", "Data"),
  ack_connection = ProtoField.uint32("tcpls.ack.connection", "Acknowledges on connection"),
  ack_record = ProtoField.uint64("tcpls.ack.record", "up to record"),
  new_sequence = ProtoField.uint8("tcpls.token.sequence", "New token, sequence"),
  new_token = ProtoField.bytes("tcpls.token", "New token"),
  reset = ProtoField.uint32("tcpls.reset", "Reset of connection"),
  alert = ProtoField.uint8("tcpls.alert", "Alert"),
}
tcpls.fields = f

-- ---- frames

-- Each returns where the next frame begins, and what to say; nothing when the frame is not whole.
local frames = {}
frames[0] = function(tvb, at, tree)
  local first = at
  while at < tvb:len() and tvb(at, 1):uint() == 0 do at = at + 1 end
  tree:add(f.padding, tvb(first, at - first), at - first)
  return at, "Padding"
end
frames[1] = function(tvb, at, tree)
  tree:add(f.ping, tvb(at, 1))
  return at + 1, "Ping"
end
local function stream_frame(tvb, at, tree)
  if tvb:len() < at + 15 then return end
  local size = tvb(at + 13, 2):uint()
  if tvb:len() < at + 15 + size then return end
  local sub = tree:add(tcpls, tvb(at, 15 + size), "Stream frame")
  sub:add(f.stream, tvb(at + 1, 4))
  sub:add(f.offset, tvb(at + 5, 8))
  sub:add(f.length, tvb(at + 13, 2))
  sub:add(f.fin, tvb(at, 1), tvb(at, 1):uint() == 3)
  if size > 0 then
    sub:add(f.data, tvb(at + 15, size))
  else
    sub:add(f.data, "")
  end
  return at + 15 + size, "Stream " .. tvb(at + 1, 4):uint()
end
frames[2], frames[3] = stream_frame, stream_frame
frames[4] = function(tvb, at, tree)
  if tvb:len() < at + 13 then return end
  tree:add(f.ack_connection, tvb(at + 1, 4))
  tree:add(f.ack_record, tvb(at + 5, 8))
  return at + 13, "ACK"
end
frames[5] = function(tvb, at, tree, session)
  if tvb:len() < at + 34 then return end
  tree:add(f.new_sequence, tvb(at + 1, 1))
  tree:add(f.new_token, tvb(at + 2, 32))
  invitations[tvb(at + 2, 32):bytes():raw()] = { session = session, id = tvb(at + 1, 1):uint() }
  return at + 34, "New Token"
end
frames[6] = function(tvb, at, tree)
  if tvb:len() < at + 5 then return end
  tree:add(f.reset, tvb(at + 1, 4))
  return at + 5, "Connection Reset"
end

local function show_frames(tvb, tree, session)
  local at, said = 0, {}
  while at < tvb:len() do
    local show = frames[tvb(at, 1):uint()]
    local after, what
    if show then after, what = show(tvb, at, tree, session) end
    if not after then
      tree:add(f.unread, tvb(at), "a frame of type " .. tvb(at, 1):uint() .. " that is unknown or not whole")
      break
    end
    at = after
    said[#said + 1] = what
  end
  return table.concat(said, ", ")
end

-- ---- records

local function show_hello(tvb, tree, connection, pinfo)
  local kind = tvb(5, 1):uint()
  if kind == 2 then
    tree:add(f.message, tvb(5), "ServerHello")
    local session_id = tvb(43, 1):uint()
    connection.suite = tvb(44 + session_id, 2):uint()
    return "ServerHello"
  end
  if kind ~= 1 then return "Handshake" end
  connection.from = tostring(pinfo.src) .. ":" .. pinfo.src_port
  connection.random = tvb(11, 32):bytes():raw()
  tree:add(f.message, tvb(5), "ClientHello")
  local at = 43
  at = at + 1 + tvb(at, 1):uint()      -- legacy_session_id
  at = at + 2 + tvb(at, 2):uint()      -- cipher_suites
  at = at + 1 + tvb(at, 1):uint() + 2  -- legacy_compression_methods, length of the extensions
  local said = "ClientHello"
  while at + 4 <= tvb:len() do
    local code, size = tvb(at, 2):uint(), tvb(at + 2, 2):uint()
    if code == 0xff64 or code == 100 then tree:add(f.offers, tvb(at, 4 + size), true) end
    if code == 0xff65 or code == 101 then
      local token = tvb(at + 4 + size - 32, 32)
      tree:add(f.token_used, token)
      connection.token = token:bytes():raw()
      said = "ClientHello that joins"
    end
    at = at + 4 + size
  end
  return said
end

-- What is inside, and the record's number; or nil and why not.
local function open(tvb, connection, pinfo)
  local session
  if connection.token then
    local invitation = invitations[connection.token]
    if not invitation then return nil, "a join with a token that was not seen" end
    session, connection.id = invitation.session, invitation.id
  else
    local suite = suites[connection.suite]
    if not suite then return nil, "not a cipher suite of TLS 1.3" end
    session = connection.random and session_of(connection.random, suite)
    if not session then return nil, "no secrets of this session" end
    connection.id = 0
  end
  connection.session = session
  local side = tostring(pinfo.src) .. ":" .. pinfo.src_port == connection.from and "client" or "server"
  local sequence = connection.next[side]
  local keys = session[side]
  local record = tvb:bytes():raw()
  local nonce = nonce_of(keys.iv, connection.id, sequence)
  local inside = session.suite.open(keys.key, nonce, record:sub(1, 5), record:sub(6))
  if not inside then
    -- Under the keys of the handshake, which come first on a connection that is not joined.
    if connection.id == 0 and sequence == 0 then return nil, "" end
    return nil, "record " .. sequence .. " does not open"
  end
  connection.next[side] = sequence + 1
  return inside, sequence
end

local function show_opened(inside, sequence, connection, tree)
  local size = #inside
  while size > 0 and inside:byte(size) == 0 do size = size - 1 end
  local kind = inside:byte(size)
  tree:add(f.connection, connection.id)
  tree:add(f.record, sequence)
  if size <= 1 then return "" end
  local tvb = ByteArray.new(inside:sub(1, size - 1), true):tvb("TCPLS record")
  if kind == 23 then return show_frames(tvb, tree, connection.session) end
  if kind == 21 then
    tree:add(f.alert, tvb(1, 1))
    return "Alert"
  end
  tree:add(f.message, tvb(), "handshake message behind the handshake")
  return "Handshake"
end

local function show_record(tvb, pinfo, root)
  local number = tcp_stream().value
  local connection = connections[number] or { from = "", next = { client = 0, server = 0 } }
  connections[number] = connection
  local tree = root:add(tcpls, tvb(), "TCPLS record, " .. tvb:len() .. " bytes")
  local kind, said = tvb(0, 1):uint(), ""
  if kind == 22 then
    said = show_hello(tvb, tree, connection, pinfo)
  elseif kind == 20 then
    said = "ChangeCipherSpec"
  elseif kind == 21 then
    tree:add(f.alert, tvb(6, 1))
    said = "Alert"
  else
    local place = pinfo.number .. ":" .. (tvb:offset() or 0)
    if not opened[place] then opened[place] = { open(tvb, connection, pinfo) } end
    local inside, sequence = opened[place][1], opened[place][2]
    if inside then
      said = show_opened(inside, sequence, connection, tree)
    elseif sequence == "" then
      said = "encrypted handshake"
    else
      tree:add(f.unread, tvb(), sequence)
      said = "cannot be read: " .. sequence
    end
  end
  tree:append_text(": " .. said)
  pinfo.cols.info:append(" [" .. said .. "]")
  return tvb:len()
end

local function record_size(tvb, _, at) return 5 + tvb(at + 3, 2):uint() end

function tcpls.dissector(tvb, pinfo, root)
  pinfo.cols.protocol = "TCPLS"
  dissect_tcp_pdus(tvb, root, 5, record_size, show_record)
  return tvb:len()
end

DissectorTable.get("tcp.port"):add_for_decode_as(tcpls)
