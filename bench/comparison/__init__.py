"""How bench/compare measures: machine, proxies, workloads, loads, rounds, report."""
