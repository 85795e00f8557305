# Every command is packaging/bootstrap.py, which runs where there is no make too: python3 packaging/bootstrap.py run
PYTHON ?= python3

.PHONY: run test bench census lint tour install lock clean
run test bench census lint tour install lock clean:
	@$(PYTHON) packaging/bootstrap.py $@ $(ARGS)
