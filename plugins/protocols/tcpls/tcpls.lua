-- tcpls.lua: a dissector for Wireshark that reads TCPLS (draft-piraux-tcpls-00), joined connections too.
--
--   SSLKEYLOGFILE=keys.log wireshark -X lua_script:tcpls.lua -d tcp.port==4433,tcpls capture.pcapng
--
-- The key log is that of the option `key-log` of the client or of the server. Wireshark's own dissector of TLS cannot
-- open records of joined connections, whose nonces hold the connection's number; so this one has its own cryptography,
-- for TLS_AES_128_GCM_SHA256 only. It shares no code with the plugin, which makes it a judge of what that sends.

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

-- ---- SHA-256 (FIPS 180-4), HMAC, HKDF-Expand-Label (RFC 8446 section 7.1)

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

local function hmac(key, message)
  key = key .. string.rep("\0", 64 - #key)
  local function pad(x) return (key:gsub(".", function(c) return string.char(bxor(c:byte(), x)) end)) end
  return sha256(pad(0x5c) .. sha256(pad(0x36) .. message))
end

-- One block is enough: keys have 16 bytes, IVs 12.
local function expand_label(secret, label, size)
  label = "tls13 " .. label
  return hmac(secret, string.char(0, size, #label) .. label .. "\0\1"):sub(1, size)
end

-- ---- AES-128 (FIPS 197), forward only

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
  local w, rcon = {}, 1
  for i = 0, 3 do w[i] = word(key, i * 4 + 1) end
  for i = 4, 43 do
    local t = w[i - 1]
    if i % 4 == 0 then
      t = bxor(sub_word(ror(t, 24)), lshift(rcon, 24))
      rcon = band(bxor(lshift(rcon, 1), rcon >= 128 and 0x11b or 0), 255)
    end
    w[i] = bxor(w[i - 4], t)
  end
  return w
end

local T1, T2, T3, T4 = T[1], T[2], T[3], T[4]
local function aes(w, a, b, c, d)
  a, b, c, d = bxor(a, w[0]), bxor(b, w[1]), bxor(c, w[2]), bxor(d, w[3])
  local function mixed(p, q, r, s, k)
    return bxor(bxor(T1[rshift(p, 24)], T2[band(rshift(q, 16), 255)], T3[band(rshift(r, 8), 255)]), T4[band(s, 255)], k)
  end
  for r = 4, 36, 4 do
    a, b, c, d = mixed(a, b, c, d, w[r]), mixed(b, c, d, a, w[r + 1]), mixed(c, d, a, b, w[r + 2]),
      mixed(d, a, b, c, w[r + 3])
  end
  local function last(p, q, r, s, k)
    return bxor(SBOX[rshift(p, 24)] * 0x1000000 + SBOX[band(rshift(q, 16), 255)] * 0x10000
      + SBOX[band(rshift(r, 8), 255)] * 0x100 + SBOX[band(s, 255)], k)
  end
  return last(a, b, c, d, w[40]), last(b, c, d, a, w[41]), last(c, d, a, b, w[42]), last(d, a, b, c, w[43])
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

local function session_of(random)
  local known = secrets[random]
  if not known or not known.client or not known.server then return nil end
  if not known.session then
    local function side(secret)
      return { key = gcm_key(expand_label(secret, "key", 16)), iv = expand_label(secret, "iv", 12) }
    end
    known.session = { client = side(known.client), server = side(known.server) }
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
    session = connection.random and session_of(connection.random)
    if not session then return nil, "no secrets of this session" end
    connection.id = 0
  end
  connection.session = session
  if connection.suite ~= 0x1301 then return nil, "only TLS_AES_128_GCM_SHA256 can be read" end
  local side = tostring(pinfo.src) .. ":" .. pinfo.src_port == connection.from and "client" or "server"
  local sequence = connection.next[side]
  local keys = session[side]
  local record = tvb:bytes():raw()
  local inside = gcm_open(keys.key, nonce_of(keys.iv, connection.id, sequence), record:sub(1, 5), record:sub(6))
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
