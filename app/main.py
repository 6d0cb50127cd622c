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
    "views/home.py": ("Home", ":material/home:"),
    "views/data.py": ("Data", ":material/bar_chart:"),
    "views/design.py": ("Design", ":material/architecture:"),
    "views/run.py": ("Run", ":material/play_circle:"),
    "views/theatre.py": ("Theatre", ":material/theaters:"),
    "views/masks.py": ("Masks", ":material/grid_on:"),
    "views/clients.py": ("Clients", ":material/groups:"),
    "views/whatif.py": ("What-if", ":material/fork_right:"),
    "views/compare.py": ("Compare", ":material/compare_arrows:"),
    "views/costs.py": ("Costs", ":material/receipt_long:"),
    "views/privacy.py": ("Privacy", ":material/lock:"),
    "views/runs.py": ("Runs", ":material/list:"),
    "views/lesson.py": ("Lesson plan", ":material/school:"),
    "views/help.py": ("Help", ":material/help:"),
}

page = st.navigation(
    [st.Page(path, title=title, default=title == "Home") for path, (title, _) in PAGES.items()],
    position="hidden",  # drawn below: Streamlit's own links would lose the configuration, which is in the address
)
with st.spinner("Starting …"):  # the core is imported once, by the first page that is opened
    from app import classroom, engine, session, share
    from app.words import escape

    session.adopt()
    try:
        engine.store()
    except ValueError as error:  # the store cannot be opened; without it there is nothing to show
        st.error(escape(str(error)), icon=":material/database_off:")
        st.stop()

classroom.enlarge()
with st.container(horizontal=True, vertical_alignment="center"):
    for path, (title, icon) in PAGES.items():
        if classroom.shows(Path(path).stem):
            st.page_link(path, label=title, icon=icon, query_params=session.address())
    share.share_button()
    classroom.menu({Path(path).stem: title for path, (title, _) in PAGES.items()})
classroom.notice()
complaints = st.container()
page.run()
with complaints:
    for sentence in session.complaints():
        st.warning(escape(sentence), icon=":material/undo:")
session.publish()
engine.pool()  # last: the first picture comes before the worker starts to import
