"""`python -m deploy.dashboards FOLDER` writes one file for each half of the product."""

import argparse
import json
from pathlib import Path

from deploy.dashboards.panels import dashboard, declared


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.dashboards", description=__doc__)
    parser.add_argument("folder", type=Path, help="where Grafana finds dashboards; made if missing")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in declared().items():
        path = folder / f"giftmark-{name}.json"
        path.write_text(json.dumps(dashboard(name, rows), ensure_ascii=False, indent=2) + "\n")
        print(path)


if __name__ == "__main__":
    main()
