-- Plays the requests of a file, over and over, and prints what came of it as one line of JSON.
-- Arguments after the URL: method; file with a path and perhaps a body in each line; `plain`, `keyed` (each with an
-- Idempotency-Key of its own) or `asynchronous`; the request to begin with; the access token of who asks, or nothing.

local KEY = "@key@"
local prepared = {}
local current = 0

function init(args)
    wrk.headers["Content-Type"] = "application/json"
    if args[3] == "asynchronous" then wrk.headers["Prefer"] = "respond-async" end
    if args[3] == "keyed" then wrk.headers["Idempotency-Key"] = KEY end
    if args[5] and args[5] ~= "" then wrk.headers["Authorization"] = "Bearer " .. args[5] end
    local a, b, c = io.open("/dev/urandom", "rb"):read(3):byte(1, 3)
    math.randomseed(a * 65536 + b * 256 + c)
    for line in io.lines(args[2]) do
        local path, body = line:match("^(%S+) ?(.*)$")
        local text = wrk.format(args[1], path, nil, body ~= "" and body or nil)
        local before, after = text:match("^(.-)" .. KEY .. "(.*)$")
        prepared[#prepared + 1] = before and { before, after } or text
    end
    -- Two generators at once must not play the same requests at the same time.
    current = tonumber(args[4] or "0")
end

local function uuid()
    local any = function(digits) return math.random(0, 16 ^ digits - 1) end
    return string.format("%06x%02x-%04x-4%03x-8%03x-%06x%06x", any(6), any(2), any(4), any(3), any(3), any(6), any(6))
end

function request()
    current = current % #prepared + 1
    local text = prepared[current]
    if type(text) == "string" then return text end
    return text[1] .. uuid() .. text[2]
end

-- Times in microseconds.
function done(summary, latency)
    local failed = summary.errors
    print(string.format(
        '{"requests":%d,"duration":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,'
            .. '"p50":%d,"p95":%d,"p99":%d,"p999":%d,"max":%d}',
        summary.requests, summary.duration, failed.connect, failed.read, failed.write, failed.timeout, failed.status,
        latency:percentile(50), latency:percentile(95), latency:percentile(99), latency:percentile(99.9), latency.max))
end
