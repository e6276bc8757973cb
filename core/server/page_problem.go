package server

import (
	"net/http"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// writeProblemPage answers with an error as a page.
func (s *Server) writeProblemPage(w http.ResponseWriter, r *http.Request, p *problem) {
	f, err := frameFor(r, "", "problem.title", "")
	if err == nil {
		err = f.write(w, p.status, "problem", problemPage{frame: f, Status: p.status, problem: p})
	}
	if err == nil {
		return
	}
	s.Log.ErrorContext(r.Context(), "the page of an error could not be made", "error", err) // The program was built wrongly.
	http.Error(w, p.sentence, p.status)
}

// problemPage tells in the visitor's language what kind of error it was, and in English which.
type problemPage struct {
	*frame

	Status  int
	problem *problem
}

// class gives the status whose texts fit.
func (p problemPage) class() string {
	if status := strconv.Itoa(p.Status); p.texts.Has("problem.status." + status) {
		return status
	}
	if p.Status < http.StatusInternalServerError {
		return "400"
	}
	return "500"
}

// Heading tells what kind of error it was.
func (p problemPage) Heading() string { return p.texts.T("problem.status." + p.class()) }

// Sentence tells what can be done.
func (p problemPage) Sentence() string { return p.texts.T("problem.text." + p.class()) }

// Detail is what the server says of it to everybody, in English; "" where that is no more than what is said already.
func (p problemPage) Detail() string {
	switch p.problem.code {
	case "not_found", "method", "password_needed", "internal":
		return ""
	}
	first, size := utf8.DecodeRuneInString(p.problem.sentence)
	return string(unicode.ToUpper(first)) + p.problem.sentence[size:] + "."
}
