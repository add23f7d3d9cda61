#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the kernel benchmarks and prints one table: every kernel beside what the machine could do in the same run.

    table.py FOLDER_OF_THE_BENCHMARKS [--repetitions N] [--filter REGEX]
"""
import argparse
import json
import os
import re
import subprocess


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--repetitions", type=int, default=7)
    p.add_argument("--filter", default=".")
    o = p.parse_args()
    printed = subprocess.run(
        [os.path.join(o.folder, "earlyout_kernels_benchmarks"), "--benchmark_format=json",
         f"--benchmark_filter={o.filter}|^read|^multiply_add", f"--benchmark_repetitions={o.repetitions}",
         "--benchmark_enable_random_interleaving=true", "--benchmark_report_aggregates_only=true",
         "--benchmark_min_time=0.05"],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    medians = {b["run_name"]: b for b in json.loads(printed)["benchmarks"] if b.get("aggregate_name") == "median"}

    def limit(pattern, counter):
        return max((b[counter] for name, b in medians.items() if re.match(pattern, name)), default=float("nan"))

    memory, peak = limit(r"read/KiB:262144.*threads:1", "bytes_per_second"), limit(r"multiply_add.*threads:1", "FLOP/s")
    print(f"{'kernel':58} {'median':>16} {'of the limit':>13}")
    for name, b in sorted(medians.items()):
        if "FLOP/s" in b:
            share = f"{b['FLOP/s'] / peak:.2f}" if "int" not in name else ""  # integer products have another peak
            print(f"{name:58} {b['FLOP/s'] * 1e-9:9.1f} GFLOP/s {share:>13}")
        elif "bytes_per_second" in b:
            share = "" if "cached" in name else f"{b['bytes_per_second'] / memory:.2f}"
            print(f"{name:58} {b['bytes_per_second'] * 1e-9:12.1f} GB/s {share:>13}")
        elif "items_per_second" in b:
            print(f"{name:58} {b['items_per_second'] * 1e-9:9.2f} items/ns")
    print(f"\nlimits, one thread: {memory * 1e-9:.1f} GB/s read from memory, {peak * 1e-9:.0f} GFLOP/s fused multiply-adds")


if __name__ == "__main__":
    main()
