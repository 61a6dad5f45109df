"""Figures beside their baselines, as the table and the JSON of endcap-bench."""
import json
import os
import platform


def machine():
    name = "unknown CPU"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


class Table:
    """Rows of one run. Floor and target are of the value itself."""

    def __init__(self):
        self.rows = []

    def add(self, name, what, unit, value, against, baseline, floor, target, note=""):
        less = target < floor
        good = (lambda goal: value <= goal) if less else (lambda goal: value >= goal)
        reached = "target" if good(target) else "floor" if good(floor) else "BELOW"
        self.rows.append({"id": name, "what": what, "unit": unit, "value": round(value, 3),
                          "against": against, "baseline": round(baseline, 3),
                          "ratio": round(value / baseline, 3) if baseline else 0,
                          "floor": floor, "target": target, "reached": reached, "note": note})

    def print(self):
        print(f"{machine()}\n")
        print(f"{'id':5} {'measured':42} {'value':>12} {'baseline':>12} {'ratio':>8} {'floor':>7} "
              f"{'target':>7}  reached")
        for row in self.rows:
            print(f"{row['id']:5} {row['what']:42} {row['value']:12.2f} {row['baseline']:12.2f} "
                  f"{row['ratio']:8.3f} {row['floor']:7g} {row['target']:7g}  {row['reached']}")
            note = f"; {row['note']}" if row["note"] else ""
            print(f"      {row['unit']}, against {row['against']}{note}")

    def print_json(self, **more):
        print(json.dumps({"machine": machine(), **more, "rows": self.rows}))
