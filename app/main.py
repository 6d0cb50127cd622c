"""The dashboard: which pages there are. Start it with `make app`, or `streamlit run app/main.py`."""

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
# Streamlit puts this folder on the path; its modules are known as `app.something`, as everywhere else.
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

# A file of our own: Streamlit fetches its own icons for the browser's tab from the internet.
st.set_page_config(page_title="Pruning in federated learning", page_icon=HERE / "icon.svg", layout="wide")

PAGES = {
    "views/home.py": "Home",
    "views/data.py": "Data",
    "views/design.py": "Design",
    "views/run.py": "Run",
    "views/theatre.py": "Theatre",
    "views/masks.py": "Masks",
    "views/clients.py": "Clients",
    "views/whatif.py": "What-if",
    "views/compare.py": "Compare",
    "views/costs.py": "Costs",
    "views/privacy.py": "Privacy",
    "views/runs.py": "Runs",
    "views/lesson.py": "Lesson plan",
    "views/help.py": "Help",
}
# In the head a thin line stands before these: set up and run | look | ask | keep and learn.
GROUPS = ("Theatre", "What-if", "Runs")

page = st.navigation(
    [st.Page(path, title=title, default=title == "Home") for path, title in PAGES.items()],
    position="hidden",  # drawn below: Streamlit's own links would lose the configuration, which is in the address
)
with st.spinner("Starting …"):  # the core is imported once, by the first page that is opened
    from app import classroom, engine, head, session
    from app.words import escape

    session.adopt()
    try:
        engine.store()
    except ValueError as error:  # the store cannot be opened; without it there is nothing to show
        st.error(escape(str(error)), icon=":material/database_off:")
        st.stop()

classroom.enlarge()
head.draw({Path(path).stem: title for path, title in PAGES.items()}, GROUPS)
classroom.notice()
complaints = st.container()
page.run()
with complaints:
    for sentence in session.complaints():
        st.warning(escape(sentence), icon=":material/undo:")
session.publish()
engine.pool()  # last: the first picture comes before the worker starts to import
