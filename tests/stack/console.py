"""What somebody who is signed in to the console sees of the parts behind."""

from __future__ import annotations

import html
import re

from tests.faults.crowd import PASSWORD
from tests.stack.asker import Asker
from tests.stack.product import Product

# On the dashboard a part is an item of a list, on the health page a row of a table.
PARTS = {
    "/admin/": re.compile(r'<h3>([^<]+)</h3><span class="sf-state [\w-]+">([^<]+)</span>'),
    "/admin/health/": re.compile(
        r'<th scope="row">([^<]+?)\s*(?:<div[^>]*>[^<]*</div>)?</th>\s*<td><span class="sf-state [\w-]+">([^<]+)</span>'
    ),
}


class Console:
    def __init__(self, product: Product) -> None:
        password = PASSWORD.search(product.log())
        assert password
        self._browser = Asker(product.address)
        welcome = self._browser.post("/admin/login/", username="admin", password=password[1], next="/admin/")
        assert "Log out" in welcome.text

    def names(self, part: str) -> bool:
        """Whether both pages say that this part is down; without a database there is one sentence in their place."""
        return all(self._is_down(path, part) for path in PARTS)

    def _is_down(self, path: str, part: str) -> bool:
        page = self._browser.get(path)
        if part == "PostgreSQL" and page.status == 503:
            return "The database does not answer" in page.text
        return self.parts(path, page.text).get(part) == "Down"

    @staticmethod
    def parts(path: str, text: str) -> dict[str, str]:
        """Each part with the word beside it. Further down the health page has breakers, some of the same name."""
        return {html.unescape(name).strip(): word for name, word in reversed(PARTS[path].findall(text))}
