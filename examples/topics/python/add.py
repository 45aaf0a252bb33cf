#!/usr/bin/env python3
import json, sys

pair = json.load(sys.stdin)  # JSON has 64-bit integers of Protobuf as text
print(json.dumps({"sum": int(pair.get("a", 0)) + int(pair.get("b", 0))}))
