"""What a CSV list says, and which are no lists."""

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.users.invitation_lists import COLUMNS, MOST_LINES, InvalidCsv, ListLine, read_list

HEADER = "email,name,roles\r\n"


def read(*lines: str) -> list[ListLine]:
    return read_list((HEADER + "\r\n".join(lines)).encode())


def test_a_line_has_an_address_a_name_and_roles() -> None:
    [line] = read('ada@lambkin.example,"Lovelace, ""Ada""",admin;member')
    assert line == ListLine(2, "ada@lambkin.example", 'Lovelace, "Ada"', ("admin", "member"))


@pytest.mark.parametrize("roles", ["", " ", ";", '""'])
def test_without_roles_it_is_member(roles: str) -> None:
    assert read(f"ada@lambkin.example,,{roles}")[0].roles == ("member",)


@pytest.mark.parametrize("roles", ["admin member", "admin;member", " admin ; member; ", "admin;member;admin"])
def test_roles_are_separated_by_semicolons_or_spaces(roles: str) -> None:
    assert read(f"ada@lambkin.example,,{roles}")[0].roles == ("admin", "member")


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_lines_end_as_any_system_ends_them(end: str) -> None:
    lines = read_list(end.join(["email,name,roles", "a@b.example,,", "", ",,", "c@d.example,,", ""]).encode())
    assert [(line.line, line.email) for line in lines] == [(2, "a@b.example"), (5, "c@d.example")]


def test_a_byte_order_mark_and_spaces_and_capitals_in_the_header_do_no_harm() -> None:
    assert len(read_list("\ufeffEmail, Name ,ROLES\na@b.example,Zoë,member\n".encode())) == 1


def test_a_line_is_counted_from_where_it_begins() -> None:
    lines = read('a@b.example,"one\r\ntwo",', "c@d.example,,")
    assert [(line.line, line.outcome) for line in lines] == [(2, "invalid"), (4, None)]


def test_an_address_is_invited_once_however_it_is_spelled() -> None:
    lines = read(
        "Ada@Bücher.example,,",
        "ada@xn--bcher-kva.EXAMPLE,,",
        "eve@lambkin.example,,",
        " ADA@bücher.example ,,",
    )
    assert [line.outcome for line in lines] == [None, "duplicate", None, "duplicate"]
    assert {line.email for line in lines} == {"ada@xn--bcher-kva.example", "eve@lambkin.example"}
    assert lines[1].detail == "The address is in line 2."


def test_an_invalid_line_does_not_make_a_later_one_a_duplicate() -> None:
    lines = read("a@b.example,,a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p;q", "a@b.example,,")
    assert [line.outcome for line in lines] == ["invalid", None]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nobody,,", "email: "),
        (",Ada,", "email: "),
        ("a@b@c.example,,", "email: "),
        ("ada@localhost,,", "email: "),
        (f"{'a' * 100_000}@b.example,,", "email: "),
        ("a\x01b@c.example,,", "email: "),
        ("\u202ea@b.example,,", "email: "),
        (f"a@b.example,{'x' * 201},", "name: "),
        (f"a@b.example,{'x' * 100_000},", "name: "),
        ("a@b.example,Ada\x1b[31m,", "name: "),
        ('a@b.example,"two\nlines",', "name: "),
        ("a@b.example,Ada\u2028Lovelace,", "name: "),
        (f"a@b.example,,{'r' * 33}", "roles: "),
        ("a@b.example,,Admin", "There is no role Admin."),
        ("a@b.example,,admin,", "4 fields"),
        ("a@b.example,,admin|member", "There is no role admin|member."),
        ("a@b.example", "1 fields"),
        ("a@b.example,Lovelace, Ada,member", "4 fields"),
        ("a@b.example;Ada;member", "1 fields"),
    ],
)
def test_a_line_that_is_wrong_says_why_and_leaves_the_others_alone(line: str, said: str) -> None:
    wrong, right = read(line, "right@lambkin.example,,")
    assert (wrong.outcome, right.outcome) == ("invalid", None)
    assert said in wrong.detail
    assert len(wrong.email) <= 320
    assert (wrong.email + wrong.detail).isprintable()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The first line must be"),
        (b"\xef\xbb\xbf", "The first line must be"),
        (b"ada@lambkin.example,Ada,member\r\n", "The first line must be"),
        (b"email;name;roles\r\na@b.example;;\r\n", "commas between"),
        (b"email,name\r\na@b.example,\r\n", "The first line must be"),
        (b"name,email,roles\r\n", "The first line must be"),
        (b"email,name,roles", "no line after the header"),
        (b"email,name,roles\r\n\r\n,,\r\n ,\r\n", "no line after the header"),
        ("email,name,roles\r\na@b.example,Zoë,".encode("latin-1"), "UTF-8"),
        ("email,name,roles\r\na@b.example,,".encode("utf-16"), "UTF-8"),
        (b"email,name,roles\r\na\x00@b.example,,", "UTF-8"),
        (bytes(range(256)), "UTF-8"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00", "UTF-8"),
        (b'email,name,roles\r\na@b.example,"Ada,member', "Line 2 cannot be read"),
        (b'email,name,roles\r\na@b.example,"Ada" L.,member', "Line 2 cannot be read"),
        (b'email,name,roles\r\na@b.example,,\r\nc@d.example,"' + b"x" * 200_000 + b'",', "Line 3 cannot be"),
    ],
)
def test_what_is_no_list_says_what_to_do(content: bytes, said: str) -> None:
    with pytest.raises(InvalidCsv) as refused:
        read_list(content)
    assert said in refused.value.message


def test_a_list_has_at_most_a_thousand_lines() -> None:
    lines = [f"a{number}@lambkin.example,," for number in range(MOST_LINES + 1)]
    assert len(read(*lines[:-1])) == MOST_LINES
    with pytest.raises(InvalidCsv, match="more than 1000 lines"):
        read(*lines)


@given(st.lists(st.tuples(*[st.text(max_size=40)] * 3), min_size=1, max_size=8))
def test_whatever_stands_in_a_list_can_be_stored_and_shown(rows: list[tuple[str, str, str]]) -> None:
    written = io.StringIO()
    csv.writer(written).writerows([COLUMNS, *rows])
    try:
        content = written.getvalue().encode()
        lines = read_list(content)
    except (UnicodeEncodeError, InvalidCsv):
        return
    assert len(lines) <= len(rows)
    for line in lines:
        texts = (line.email, line.name, line.detail, *line.roles)
        assert all("\x00" not in text and "\n" not in text for text in texts)
        assert len(line.email) <= 320
        assert len(line.name) <= 200
        assert len(line.detail) <= 500
        assert line.roles or line.outcome is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_refused(content: bytes) -> None:
    with suppress(InvalidCsv):
        assert read_list(content)
